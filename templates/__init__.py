"""The Jinja2 templates of netgen's outputs; a package so that they are found in a wheel and in a checkout alike."""
