//! Fossil deltas: what turns the publication before into this one, as subscriptions with deltas get
//! it.
//!
//! A delta is the new size and a newline, then copies `len@offset,` and inserts `len:bytes`, then
//! the checksum and `;`. Numbers are of base 64 with the digits below.
//!
//! Called while a publication is encoded, once for all its receivers. Bounds: time linear in both
//! lengths, also for input made to be slow (`TRIES_MAX`); memory of at most the old length beside
//! the result; [`apply`] makes at most [`APPLIED_BYTES_MAX`]. It must not judge whether a delta is
//! worth sending: that is for who compares the sizes.

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// The unit of search. Shorter repetitions are found only at the ends of longer ones, or of the
/// whole.
const BLOCK: usize = 16;

/// How many places of the old data are looked at for one place of the new.
const TRIES_MAX: usize = 16;

/// The most that [`apply`] makes, since a few copies blow up a small delta.
pub(crate) const APPLIED_BYTES_MAX: usize = 64 << 20;

/// A delta that makes `new` of `old`. If `new` is UTF-8 then so is the delta, which JSON needs.
#[must_use]
pub(crate) fn create(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut delta = DeltaWriter::new(new);
    let prefix = common(old.iter(), new.iter());
    let prefix = delta.whole_characters(0, 0, prefix);
    let suffix = common(
        old[prefix.len..].iter().rev(),
        new[prefix.len..].iter().rev(),
    );
    let suffix = delta.whole_characters(old.len() - suffix, new.len() - suffix, suffix);

    delta.copy(prefix);
    let middle = prefix.len..new.len() - suffix.len;
    if middle.len() >= BLOCK
        && let Some(index) = Index::new(old)
    {
        let mut at = middle.start;
        while at + BLOCK <= middle.end {
            let found = index.longest(&delta, at, middle.end);
            let copied = found.is_some_and(|found| delta.copy(found));
            at = if copied { delta.done } else { at + 1 };
        }
    }
    delta.copy(suffix);
    delta.finish()
}

/// What the delta makes of `old`; `None` if it is malformed, is not for this `old`, or makes too
/// much.
#[must_use]
pub fn apply(old: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta;
    let size = number(&mut rest)?;
    if size > APPLIED_BYTES_MAX || byte(&mut rest)? != b'\n' {
        return None;
    }
    let mut new = Vec::new();
    loop {
        let value = number(&mut rest)?;
        let part = match byte(&mut rest)? {
            b'@' => {
                let offset = number(&mut rest)?;
                if byte(&mut rest)? != b',' {
                    return None;
                }
                old.get(offset..offset.checked_add(value)?)?
            }
            b':' => {
                let (part, after) = rest.split_at_checked(value)?;
                rest = after;
                part
            }
            b';' => {
                let right = new.len() == size && checksum(&new) as usize == value;
                return (right && rest.is_empty()).then_some(new);
            }
            _ => return None,
        };
        if part.len() > size - new.len() {
            return None;
        }
        new.extend_from_slice(part);
    }
}

/// The same bytes at two places.
#[derive(Clone, Copy)]
struct Match {
    old: usize,
    new: usize,
    len: usize,
}

/// A delta that is being written.
struct DeltaWriter<'n> {
    out: Vec<u8>,
    new: &'n [u8],
    /// How much of `new` has been written.
    done: usize,
    /// `new` is UTF-8, so that no part may split a character.
    text: bool,
}

impl<'n> DeltaWriter<'n> {
    fn new(new: &'n [u8]) -> Self {
        let mut out = Vec::with_capacity(64);
        put_number(new.len(), &mut out);
        out.push(b'\n');
        let text = std::str::from_utf8(new).is_ok();
        Self {
            out,
            new,
            done: 0,
            text,
        }
    }

    /// A match without the parts of characters at its ends.
    fn whole_characters(&self, mut old: usize, mut new: usize, len: usize) -> Match {
        let mut end = new + len;
        if self.text {
            while new < end && self.splits(new) {
                (old, new) = (old + 1, new + 1);
            }
            while new < end && self.splits(end) {
                end -= 1;
            }
        }
        Match {
            old,
            new,
            len: end - new,
        }
    }

    /// Whether a character goes on at this place.
    fn splits(&self, at: usize) -> bool {
        self.new.get(at).is_some_and(|byte| byte & 0xc0 == 0x80)
    }

    /// Inserts what comes before the match and copies the match, unless that is longer than to
    /// insert it.
    fn copy(&mut self, found: Match) -> bool {
        let command = digits(found.len) + digits(found.old) + 2;
        // Two more for the head of the insert that may follow.
        if found.len <= command + 2 {
            return false;
        }
        self.insert(found.new);
        put_number(found.len, &mut self.out);
        self.out.push(b'@');
        put_number(found.old, &mut self.out);
        self.out.push(b',');
        self.done = found.new + found.len;
        true
    }

    fn insert(&mut self, end: usize) {
        if let Some(part) = self.new.get(self.done..end)
            && !part.is_empty()
        {
            put_number(part.len(), &mut self.out);
            self.out.push(b':');
            self.out.extend_from_slice(part);
            self.done = end;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.insert(self.new.len());
        put_number(checksum(self.new) as usize, &mut self.out);
        self.out.push(b';');
        self.out
    }
}

/// Where the blocks of the old data are, by hash: the latest of each bucket, and for each block the
/// one before it there.
struct Index<'o> {
    old: &'o [u8],
    latest: Vec<u32>,
    before: Vec<u32>,
    shift: u32,
}

const NONE: u32 = u32::MAX;

impl<'o> Index<'o> {
    /// `None` if there is no whole block, or too many to count.
    fn new(old: &'o [u8]) -> Option<Self> {
        let count = old.len() / BLOCK;
        if count == 0 || u32::try_from(old.len()).is_err() {
            return None;
        }
        let buckets = count.next_power_of_two().max(2);
        let mut index = Self {
            old,
            latest: vec![NONE; buckets],
            before: Vec::with_capacity(count),
            shift: u64::BITS - buckets.ilog2(),
        };
        for (number, block) in (0..).zip(old.chunks_exact(BLOCK)) {
            let bucket = index.bucket(block);
            let before = std::mem::replace(&mut index.latest[bucket], number);
            index.before.push(before);
        }
        Some(index)
    }

    fn bucket(&self, block: &[u8]) -> usize {
        let mix = |hash: u64, part: &[u8]| {
            let word = part
                .iter()
                .fold(0, |word, &byte| word << 8 | u64::from(byte));
            (hash ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
        };
        let (first, second) = block.split_at(BLOCK / 2);
        let hash = mix(mix(0, first), second).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> self.shift) as usize
    }

    /// The longest match around the block of new data at `at`, between what was written and `end`.
    ///
    /// What a try costs is made up for by how far the chosen match brings the search, as no try is
    /// longer than that.
    fn longest(&self, delta: &DeltaWriter<'_>, at: usize, end: usize) -> Option<Match> {
        let new = delta.new.get(..end)?;
        let block = new.get(at..at + BLOCK)?;
        let mut best: Option<Match> = None;
        let mut number = self.latest[self.bucket(block)];
        for _ in 0..TRIES_MAX {
            if number == NONE {
                break;
            }
            let place = number as usize * BLOCK;
            number = self.before[number as usize];
            if self.old.get(place..place + BLOCK) != Some(block) {
                continue;
            }
            let (old_after, new_after) = (&self.old[place..], &new[at..]);
            let ahead = common(old_after.iter(), new_after.iter());
            let (old_before, new_before) = (&self.old[..place], &new[delta.done..at]);
            let back = common(old_before.iter().rev(), new_before.iter().rev());
            if best.is_none_or(|best| best.len < back + ahead) {
                best = Some(Match {
                    old: place - back,
                    new: at - back,
                    len: back + ahead,
                });
            }
        }
        best.map(|best| delta.whole_characters(best.old, best.new, best.len))
    }
}

/// How many bytes are the same from the start of both.
fn common<'a>(one: impl Iterator<Item = &'a u8>, other: impl Iterator<Item = &'a u8>) -> usize {
    one.zip(other)
        .take_while(|(one, other)| one == other)
        .count()
}

/// The sum of the words of four bytes, high byte first, the last one filled up with zeros.
fn checksum(data: &[u8]) -> u32 {
    data.chunks(4).fold(0, |sum, chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::wrapping_add(sum, u32::from_be_bytes(word))
    })
}

fn digits(value: usize) -> usize {
    (value.checked_ilog2().unwrap_or(0) / 6 + 1) as usize
}

fn put_number(value: usize, out: &mut Vec<u8>) {
    for place in (0..digits(value)).rev() {
        out.push(DIGITS[value >> (6 * place) & 63]);
    }
}

/// A number of at least one digit and at most 32 bits.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0_u32;
    let mut length = 0;
    for &byte in *rest {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'_' => 36,
            b'a'..=b'z' => byte - b'a' + 37,
            b'~' => 63,
            _ => break,
        };
        value = value.checked_mul(64)? | u32::from(digit);
        length += 1;
    }
    *rest = rest.get(length..)?;
    (length > 0).then_some(value as usize)
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    Some(first)
}

#[cfg(test)]
mod tests;
