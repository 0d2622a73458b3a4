//! Mutations of inputs that know what an input looks like.

mod wire;

/// A sequence that a seed gives, the same on every machine and in every version: SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`; 0 when there is none.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below a usize")]
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// What inputs of a target look like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Any bytes.
    Bytes,
    /// Text that these words often occur in.
    Text(&'static [&'static str]),
    /// A key, a line feed, a protobuf message.
    Record(&'static [&'static str]),
}

/// The most bytes of a mutated input.
const MOST_BYTES: usize = 8192;
/// Bytes at the edges of what a byte can be.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, b'\n', b'-'];

/// Changes an input in place, a few times over.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], shape: Shape, random: &mut Random) {
    for _ in 0..=random.below(4) {
        match shape {
            Shape::Bytes => bytes(input, other, random),
            Shape::Text(words) => text(input, other, words, random),
            Shape::Record(words) => record(input, other, words, random),
        }
    }
    input.truncate(MOST_BYTES);
}

fn bytes(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let span = at..(at + random.below(8)).min(input.len());
    match random.below(6) {
        0 => drop(input.drain(span)),
        1 => input.insert(at, EDGES[random.below(EDGES.len())]),
        2 => input.splice(at..at, span.map(|at| at as u8).collect::<Vec<_>>()).for_each(drop),
        3 => {
            let from = random.below(other.len() + 1);
            let part = other[from..(from + random.below(40)).min(other.len())].to_vec();
            input.splice(span, part).for_each(drop);
        }
        4 => set(input, at, |byte| byte ^ 1 << (at % 8)),
        _ => {
            let with = random.next().to_le_bytes()[0];
            set(input, at, |_| with);
        }
    }
}

fn set(input: &mut [u8], at: usize, change: impl FnOnce(u8) -> u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte = change(*byte);
    }
}

fn text(input: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(4) {
        0 => bytes(input, other, random),
        1 | 2 => {
            let word = words[random.below(words.len())];
            let until = (at + random.below(word.len() + 1)).min(input.len());
            input.splice(at..until, word.bytes()).for_each(drop);
        }
        _ => number(input, at, random),
    }
}

/// Replaces the number at or behind a place by one near it, or by one at an edge.
fn number(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(begin) = input.iter().skip(at).position(u8::is_ascii_digit).map(|skipped| at + skipped) else { return };
    let length = input[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let now: u64 = String::from_utf8_lossy(&input[begin..begin + length]).parse().unwrap_or_default();
    let edges = [0, 31, 32, 33, 127, 128, 129, 254, 255, 256, 65535, 65536, u64::from(u32::MAX), u64::MAX];
    let with = match random.below(3) {
        0 => now.wrapping_add(1),
        1 => now.wrapping_sub(1),
        _ => edges[random.below(edges.len())],
    };
    input.splice(begin..begin + length, with.to_string().into_bytes()).for_each(drop);
}

fn record(input: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    let split = |input: &[u8]| input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (mine, theirs) = (split(input), split(other));
    let mut value = input.split_off(mine);
    let theirs = other.get(theirs + 1..).unwrap_or_default();
    value.drain(..value.len().min(1));
    match random.below(8) {
        0 => text(input, b"", words, random),
        1 => bytes(&mut value, theirs, random),
        _ => wire::mutate(&mut value, theirs, words, random),
    }
    input.retain(|byte| *byte != b'\n');
    input.push(b'\n');
    input.append(&mut value);
}
