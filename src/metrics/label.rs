//! The fixed words of labels, and counts by them. A word stands beside its value, so that the two
//! cannot drift apart. Bounds: as many counts as there are words.

use std::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What a label may say.
pub(crate) trait Label: Copy + 'static {
    /// The word of each value, in the order of the values.
    const WORDS: &'static [&'static str];

    /// Which of the words is this one's.
    fn index(self) -> usize;
}

/// Declares a label: an enumeration whose values each have a word.
macro_rules! label {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $($(#[$value_meta:meta])* $value:ident = $word:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$value_meta])* $value,)+
        }

        impl $crate::metrics::label::Label for $name {
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(super) use label;

/// Counts by a label; any thread may count.
#[derive(Debug)]
pub(crate) struct CountsBy<L> {
    counts: Box<[AtomicU64]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label> Default for CountsBy<L> {
    fn default() -> Self {
        Self {
            counts: zeroes(L::WORDS.len()),
            label: PhantomData,
        }
    }
}

impl<L: Label> CountsBy<L> {
    /// Counts one more of this label.
    pub(crate) fn add(&self, one: L) {
        self.counts[one.index()].fetch_add(1, Relaxed);
    }

    /// Each word with its count.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        L::WORDS.iter().copied().zip(counts)
    }
}

/// Counts by a number, of which a few are counted apart and all others together.
#[derive(Debug)]
pub(crate) struct CountsByNumber {
    known: &'static [u32],
    /// One for each of `known`, then that of all others.
    counts: Box<[AtomicU64]>,
}

impl CountsByNumber {
    /// None yet; `known` are those that are counted apart.
    pub(crate) fn new(known: &'static [u32]) -> Self {
        Self {
            known,
            counts: zeroes(known.len() + 1),
        }
    }

    /// Counts one more of this number.
    pub(crate) fn add(&self, one: u32) {
        let index = self.known.iter().position(|&known| known == one);
        self.counts[index.unwrap_or(self.known.len())].fetch_add(1, Relaxed);
    }

    /// Each number as a word with its count, and `other`.
    pub(crate) fn read(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let words = self.known.iter().map(u32::to_string);
        let words = words.chain(["other".to_string()]);
        words.zip(self.counts.iter().map(|count| count.load(Relaxed)))
    }
}

fn zeroes(n: usize) -> Box<[AtomicU64]> {
    std::iter::repeat_with(AtomicU64::default).take(n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    label! {
        /// Three fruits.
        enum Fruit {
            /// Round.
            Apple = "apple",
            /// Long.
            Banana = "banana",
            /// Small.
            Cherry = "cherry",
        }
    }

    #[test]
    fn each_value_is_counted_under_its_own_word() {
        let counts = CountsBy::<Fruit>::default();
        counts.add(Fruit::Banana);
        counts.add(Fruit::Cherry);
        counts.add(Fruit::Cherry);
        let read: Vec<_> = counts.read().collect();
        assert_eq!(read, [("apple", 0), ("banana", 1), ("cherry", 2)]);
        assert_eq!(Fruit::WORDS[Fruit::Apple.index()], "apple");
    }

    #[test]
    fn numbers_that_are_not_known_are_counted_together() {
        let counts = CountsByNumber::new(&[404, 503]);
        for one in [503, 404, 418, 503, 0] {
            counts.add(one);
        }
        let read: Vec<_> = counts.read().collect();
        let expected = [("404", 1), ("503", 2), ("other", 2)];
        assert_eq!(read, expected.map(|(word, n)| (word.to_string(), n)));
    }
}
