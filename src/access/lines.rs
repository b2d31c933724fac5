//! Files that hold one thing a line.

/// The lines of a list that were skipped because they hold no info-hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadLines {
    /// How many there are.
    pub total: usize,
    /// The numbers of the first few, from 1.
    pub first: Vec<usize>,
}

impl BadLines {
    /// The most line numbers kept, so that the report on a file of rubbish stays readable.
    pub const FIRST_MAX: usize = 10;

    /// Takes note of one.
    pub fn note(&mut self, number: usize) {
        self.total += 1;
        if self.first.len() < Self::FIRST_MAX {
            self.first.push(number);
        }
    }
}

/// Reads a file. Blank lines and those that start with `#` mean nothing; in which `item` finds none
/// is skipped and told of. There is room for `expected` items without growing.
pub fn read<T>(
    text: &[u8],
    expected: usize,
    item: impl Fn(&[u8]) -> Option<T>,
) -> (Vec<T>, BadLines) {
    let mut items = Vec::with_capacity(expected);
    let mut bad = BadLines::default();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        match item(line) {
            Some(item) => items.push(item),
            None if means_nothing(line) => {}
            None => bad.note(number + 1),
        }
    }
    (items, bad)
}

/// Whether a line is blank or a comment.
pub fn means_nothing(line: &[u8]) -> bool {
    line.trim_ascii().is_empty() || line[0] == b'#'
}
