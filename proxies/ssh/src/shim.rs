use policy_core::mask::{Detectors, MaskKey, StreamMasker};
#[derive(Default)]
pub(crate) struct TerminalMasker(StreamMasker);
impl TerminalMasker {
    pub(crate) fn push(&mut self, d: &Detectors, k: &MaskKey, b: &[u8], o: &mut Vec<u8>) -> usize { self.0.push(d, k, b, o) }
    pub(crate) fn settle(&mut self, d: &Detectors, k: &MaskKey, o: &mut Vec<u8>) -> usize { self.0.flush(d, k, o) }
    pub(crate) fn release(&mut self, d: &Detectors, k: &MaskKey, o: &mut Vec<u8>) -> usize { self.0.flush(d, k, o) }
    pub(crate) fn finish(&mut self, d: &Detectors, k: &MaskKey, o: &mut Vec<u8>) -> usize { self.0.flush(d, k, o) }
    pub(crate) fn held(&self) -> usize { self.0.held() }
}
