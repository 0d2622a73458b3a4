//! SipHash-2-4 (Aumasson and Bernstein): a keyed hash of short messages that nobody can guess without the key.

/// The hash of `message` under `key`.
pub(super) fn siphash(key: &[u8; 16], message: &[u8]) -> u64 {
    let [k0, k1] = halves(key);
    let mut state =
        State([k0 ^ 0x736f_6d65_7073_6575, k1 ^ 0x646f_7261_6e64_6f6d, k0 ^ 0x6c79_6765_6e65_7261, k1 ^ 0x7465_6462_7974_6573]);
    let (words, rest) = message.as_chunks::<8>();
    for word in words {
        state.take(u64::from_le_bytes(*word));
    }
    // The last word has the rest of the message, and the lowest byte of its length.
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let [.., length] = message.len().to_be_bytes();
    state.take(u64::from_le_bytes(last) | u64::from(length) << 56);
    state.finish()
}

fn halves(key: &[u8; 16]) -> [u64; 2] {
    let (words, _) = key.as_chunks::<8>();
    let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

struct State([u64; 4]);

impl State {
    const fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        self.0.into_iter().fold(0, |hash, part| hash ^ part)
    }

    const fn round(&mut self) {
        let [mut v0, mut v1, mut v2, mut v3] = self.0;
        v0 = v0.wrapping_add(v1);
        v1 = v1.rotate_left(13) ^ v0;
        v0 = v0.rotate_left(32);
        v2 = v2.wrapping_add(v3);
        v3 = v3.rotate_left(16) ^ v2;
        v0 = v0.wrapping_add(v3);
        v3 = v3.rotate_left(21) ^ v0;
        v2 = v2.wrapping_add(v1);
        v1 = v1.rotate_left(17) ^ v2;
        v2 = v2.rotate_left(32);
        self.0 = [v0, v1, v2, v3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last of the test vectors that the authors give for messages 0, 1, 2, … of increasing length, and the one of
    /// their paper.
    #[test]
    fn the_vectors_of_the_authors() {
        let key = std::array::from_fn(|place| place as u8);
        let message: Vec<u8> = (0..64).collect();
        for (length, hash) in [
            (0, 0x726f_db47_dd0e_0e31),
            (1, 0x74f8_39c5_93dc_67fd),
            (7, 0xab02_00f5_8b01_d137),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
            (63, 0x958a_324c_eb06_4572),
        ] {
            assert_eq!(siphash(&key, &message[..length]), hash, "{length} bytes");
        }
    }
}
