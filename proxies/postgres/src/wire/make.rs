//! Messages that the gateway writes itself.

/// Appends a message of type `tag` whose body `fill` writes, its length filled in afterwards.
///
/// A body beyond what 32 bits can say (the gateway writes nothing near it) is cut to nothing.
pub fn message(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    untagged(out, fill);
}

/// Appends a length and the body that `fill` writes: the form of the messages before startup is over.
pub fn untagged(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    fill(out);
    let length = u32::try_from(out.len() - start).unwrap_or_else(|_| {
        out.truncate(start + 4);
        4
    });
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends `text` and its terminating zero, leaving out zeros inside, which would end it early.
pub fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().filter(|&byte| byte != 0));
    out.push(0);
}
