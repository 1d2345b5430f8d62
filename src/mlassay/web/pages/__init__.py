"""What each page shows: one builder per page, from a context to a `Page`. No HTML, no SQL, no arithmetic of results."""
