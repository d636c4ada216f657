// A file may fetch no other file: a search from file:// shows titles alone, one from a server also a line of each page.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
