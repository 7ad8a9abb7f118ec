"""Small trees, granules, faults and readers that many tests need."""
