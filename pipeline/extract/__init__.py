"""The extract job: crawl files in, documents and rejected pages out."""
