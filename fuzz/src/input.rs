//! What the bodies that play make of their bytes: numbers, one after the other.

/// An input in small parts; past its end it is all zeroes.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The parts of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    /// The number that the next so many bytes make, the first of them the highest.
    pub fn take(&mut self, count: usize) -> u64 {
        let (now, later) = self.0.split_at(count.min(self.0.len()));
        self.0 = later;
        now.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing is left but zeroes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
