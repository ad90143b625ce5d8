//! A publisher's labels beside a message, as a history keeps them: sorted by name, in two
//! allocations however many they are. Immutable: nobody pays for room to change them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// Names with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// Name, value, name, value.
    text: Box<str>,
    /// Where each of them ends.
    ends: Box<[u32]>,
}

impl Tags {
    /// Names and values, in the order of the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        let mut next = move |end: u32| {
            let range = start..end as usize;
            start = range.end;
            // The ends were taken from this very text.
            self.text.get(range).unwrap_or_default()
        };
        let pairs = self.ends.chunks_exact(2);
        pairs.map(move |pair| (next(pair[0]), next(pair[1])))
    }

    /// Bytes on the heap.
    #[must_use]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.ends)
    }
}

impl From<BTreeMap<String, String>> for Tags {
    fn from(map: BTreeMap<String, String>) -> Self {
        let length = map.iter().map(|(name, value)| name.len() + value.len());
        let mut text = String::with_capacity(length.sum());
        let mut ends = Vec::with_capacity(2 * map.len());
        for part in map.iter().flat_map(|(name, value)| [name, value]) {
            text.push_str(part);
            // No request is as large as that.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self {
            text: text.into(),
            ends: ends.into(),
        }
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_the_order_of_the_names() {
        let map = BTreeMap::from([("b", "你"), ("", "x"), ("é", ""), ("a", "1")])
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let tags = Tags::from(map.collect::<BTreeMap<_, _>>());
        let pairs: Vec<_> = tags.iter().collect();
        assert_eq!(pairs, [("", "x"), ("a", "1"), ("b", "你"), ("é", "")]);
        assert_eq!(tags.heap_bytes(), "x".len() + "a1b你é".len() + 8 * 4);
        assert_eq!(
            serde_json::to_string(&tags).expect("JSON"),
            r#"{"":"x","a":"1","b":"你","é":""}"#
        );
        assert_eq!(Tags::default().iter().count(), 0);
    }
}
