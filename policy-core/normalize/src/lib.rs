//! Turns what clients say (SQL, shell, HTTP) into the actions that policy-core judges.
