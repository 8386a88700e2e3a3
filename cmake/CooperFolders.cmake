# cooper_add_folders(<folder>...): add_subdirectory for each.
function(cooper_add_folders)
  foreach(_folder ${ARGN})
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${_folder}/CMakeLists.txt")
      add_subdirectory(${_folder})
    endif()
  endforeach()
endfunction()
