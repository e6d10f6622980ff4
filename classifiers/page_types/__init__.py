"""The type of a page: article, documentation, forum, product, service or listing."""
