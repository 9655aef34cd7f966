//! Stack for what recurses, measured by the scan that comes first.

/// Runs on the current stack where the tree is shallow, on a bigger one otherwise.
///
/// A level takes up to 60 KiB in a debug build (decoding, walking and dropping all recurse), less than 10 KiB in a
/// release build. The bigger stack is mapped for as long as it is needed; pages that are not touched cost nothing.
pub(super) fn on_a_stack_for<T>(depth: usize, run: impl FnOnce() -> T) -> T {
    const SHALLOW: usize = 24;
    const BYTES_A_LEVEL: usize = 128 << 10;
    let needed = if depth <= SHALLOW { SHALLOW * (32 << 10) } else { depth * BYTES_A_LEVEL };
    stacker::maybe_grow(needed, needed, run)
}
