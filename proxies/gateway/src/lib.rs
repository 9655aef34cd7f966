//! What Portcullis's proxies share: configuration, enforcement, sessions, identity, approvals, control.
