//! Masking (RFC 6455 §5.3): each payload byte is XORed with one of four key bytes, in turn.
//!
//! The decoder unmasks in place, in the buffer that the socket was read into. No bound of its own,
//! no allocation.

/// The bytes of one round; wide enough that the compiler makes vector code of it.
const ROUND: usize = 32;

/// XORs `data` with `key`, beginning with the key's first byte.
pub(super) fn apply(data: &mut [u8], key: [u8; 4]) {
    let (rounds, rest) = data.as_chunks_mut::<ROUND>();
    if !rounds.is_empty() {
        let mut wide = [0; ROUND];
        for part in wide.as_chunks_mut::<4>().0 {
            *part = key;
        }
        for round in rounds {
            for (byte, key) in round.iter_mut().zip(&wide) {
                *byte ^= key;
            }
        }
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// The key as it applies after `taken` bytes of the payload.
pub(super) fn rotate(mut key: [u8; 4], taken: usize) -> [u8; 4] {
    key.rotate_left(taken % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    #[test]
    fn agrees_with_the_definition_at_every_length_and_alignment() {
        for offset in 0..9 {
            for len in 0..200 {
                let plain: Vec<u8> = (0..offset + len).map(|i| i as u8).collect();
                let mut masked = plain.clone();
                apply(&mut masked[offset..], KEY);
                for (i, byte) in masked[offset..].iter().enumerate() {
                    assert_eq!(*byte, plain[offset + i] ^ KEY[i % 4]);
                }
                assert_eq!(masked[..offset], plain[..offset]);
            }
        }
    }

    #[test]
    fn pieces_with_a_rotated_key_equal_the_whole() {
        let mut whole = [7; 100];
        apply(&mut whole, KEY);
        for cut in 0..=100 {
            let mut pieces = [7; 100];
            apply(&mut pieces[..cut], KEY);
            apply(&mut pieces[cut..], rotate(KEY, cut));
            assert_eq!(pieces, whole);
        }
    }
}
