"""What is asked of a build: recipe, values, epoch; and what its flags may say."""
