//! The channels of one session of the protocol, sorted by name: most sessions have one or a few,
//! for which a hash table is several times as large as what stands in it. Pure data, owned by the
//! client. Bound: `limits.subscriptions`. Coming and going cost a move of what stands behind, as
//! they do in the registry.

use super::subscription::Subscription;
use crate::registry::ChannelName;

/// Subscriptions by channel.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<(ChannelName, Subscription)>);

impl Subscriptions {
    fn place(&self, channel: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| (**name).cmp(channel))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, channel: &str) -> bool {
        self.place(channel).is_ok()
    }

    /// A channel as it is kept here, with its subscription.
    pub(super) fn entry(&self, channel: &str) -> Option<(&ChannelName, &Subscription)> {
        let place = self.place(channel).ok()?;
        self.0.get(place).map(|(name, known)| (name, known))
    }

    pub(super) fn get(&self, channel: &str) -> Option<&Subscription> {
        self.entry(channel).map(|(_, known)| known)
    }

    pub(super) fn get_mut(&mut self, channel: &str) -> Option<&mut Subscription> {
        let place = self.place(channel).ok()?;
        self.0.get_mut(place).map(|(_, known)| known)
    }

    pub(super) fn insert(&mut self, channel: ChannelName, subscription: Subscription) {
        match self.place(&channel) {
            Ok(place) => self.0[place].1 = subscription,
            Err(place) => {
                if self.0.is_empty() {
                    // Room for the one that there is in most sessions, not for four.
                    self.0.reserve_exact(1);
                }
                self.0.insert(place, (channel, subscription));
            }
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, channel: &str) -> bool {
        let place = self.place(channel);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        if self.0.is_empty() {
            self.clear();
        }
        place.is_ok()
    }

    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.0.iter().map(|(_, known)| known)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&ChannelName, &mut Subscription)> {
        self.0.iter_mut().map(|(name, known)| (&*name, known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(generation: u64) -> Subscription {
        Subscription {
            generation,
            ..Subscription::default()
        }
    }

    #[test]
    fn channels_are_found_and_left_whatever_order_they_came_in() {
        let mut known = Subscriptions::default();
        for (generation, name) in ["m", "a", "z", "b"].into_iter().enumerate() {
            known.insert(name.into(), numbered(generation as u64));
        }
        known.insert("a".into(), numbered(9));
        assert_eq!(known.len(), 4);
        assert!(known.contains("z") && !known.contains("c"));
        assert_eq!(known.get("a").map(|it| it.generation), Some(9));
        assert!(known.remove("m") && !known.remove("m"));
        let left: Vec<_> = known.iter_mut().map(|(name, _)| name.to_string()).collect();
        assert_eq!(left, ["a", "b", "z"]);
    }

    #[test]
    fn what_is_empty_holds_nothing_and_one_channel_has_room_for_one() {
        let mut known = Subscriptions::default();
        known.insert("a".into(), numbered(1));
        assert_eq!(known.0.capacity(), 1);
        known.remove("a");
        assert_eq!(known.0.capacity(), 0);
    }
}
