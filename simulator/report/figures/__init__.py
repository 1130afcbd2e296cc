"""The pictures of the page: static drawings, each made twice, for a wide and for a narrow page."""
