"""Arrays to arrays: resampling and normalisation of micrographs. No files, no network."""
