"""Messages of the wire. Generated, apart from `messages`."""
