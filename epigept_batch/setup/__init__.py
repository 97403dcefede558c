"""What a real run needs, from where it is published into the folder where runs look for it."""
