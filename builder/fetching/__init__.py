"""What comes from elsewhere: files of the web, repositories, archives."""
