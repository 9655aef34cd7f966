//! Ephemeral real servers and scripted hostile peers for Portcullis's tests.
