"""One container in the place of another: nobody who asks it notices."""
