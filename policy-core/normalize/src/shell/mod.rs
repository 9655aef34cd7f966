//! Command lines, as a POSIX shell or bash reads them.
