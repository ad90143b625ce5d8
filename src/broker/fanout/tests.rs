//! The fan-out by itself: who is told of the first and last member, and room that is always given
//! back.

use std::rc::Rc;

use super::*;
use crate::{
    broker::suite::taken,
    publication::Payload,
    shard::Shard,
    testing::{Listener, on_a_worker, shard_settings},
};

const ROOM: usize = 4;

/// A fan-out with shards of its own, and what it told.
struct Harness {
    fanout: Arc<Fanout>,
    shards: Arc<Shards>,
    /// What was told of occupancy.
    told: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Harness {
    fn new() -> Self {
        let shards = Arc::new(Shards::new(Arc::default(), shard_settings(ROOM)));
        let told = Arc::<Mutex<Vec<(String, bool)>>>::default();
        let occupancy = {
            let told = told.clone();
            move |channel: &ChannelName, occupied: bool| {
                told.lock()
                    .expect("no panic")
                    .push((channel.to_string(), occupied));
            }
        };
        Self {
            fanout: Arc::new(Fanout::new(shards.clone(), Box::new(occupancy))),
            shards,
            told,
        }
    }

    fn shard(&self) -> Rc<Shard> {
        let fanout: Arc<dyn LocalFanout> = self.fanout.clone();
        self.shards.new_here(&fanout)
    }

    fn message(channel: &str) -> Publication {
        Publication::message(Target::Channel(channel.into()), Payload::Text("x".into()))
    }
}

#[test]
fn first_and_last_members_are_told_and_counted() {
    let harness = Harness::new();
    let (room, fanout) = (ChannelName::from("room"), &harness.fanout);
    let (one, two) = (ShardId(0), ShardId(1));
    for shard in [one, one, two] {
        fanout.subscribe(&room, shard);
    }
    assert_eq!(fanout.channels(), 1);
    let listed = fanout.list_channels(&|name| name.starts_with('r'), 10);
    assert_eq!(listed, [(room.clone(), 3)]);
    assert!(fanout.list_channels(&|_| false, 10).is_empty());
    assert!(fanout.list_channels(&|_| true, 0).is_empty());
    assert!(fanout.has_subscribers(&Target::Channel(room.clone())));
    for shard in [one, two, one] {
        assert_eq!(
            *harness.told.lock().expect("no panic"),
            [("room".to_string(), true)]
        );
        fanout.unsubscribe(&room, shard);
    }
    // Leaving twice.
    fanout.unsubscribe(&room, one);
    let told = [("room".to_string(), true), ("room".to_string(), false)];
    assert_eq!(*harness.told.lock().expect("no panic"), told);
    let none = FanoutEntries::default();
    assert_eq!((fanout.channels(), fanout.entries()), (0, none));
    assert!(!fanout.has_subscribers(&Target::Channel(room)));
}

#[test]
fn the_servers_own_channels_are_told_but_not_shown() {
    let harness = Harness::new();
    let own = ChannelName::from("$raw:/ws");
    harness.fanout.subscribe(&own, ShardId(0));
    assert_eq!(harness.fanout.channels(), 0);
    assert!(harness.fanout.list_channels(&|_| true, 10).is_empty());
    assert_eq!(harness.told.lock().expect("no panic").len(), 1);
}

#[test]
fn what_does_not_fit_one_shard_goes_to_none_and_all_room_comes_back() {
    on_a_worker(async {
        let harness = Harness::new();
        let (full, free) = (harness.shard(), harness.shard());
        let (here, there) = (Listener::new(&full), Listener::new(&free));
        here.membership.join(&"both".into());
        here.membership.join(&"one".into());
        there.membership.join(&"both".into());
        for _ in 0..ROOM {
            assert_eq!(harness.fanout.send(Harness::message("one")), Ok(1));
        }
        for _ in 0..3 {
            assert_eq!(
                harness.fanout.send(Harness::message("both")),
                Err(BrokerError::Busy)
            );
            let everyone = Publication::message(Target::Everyone, Payload::Text("x".into()));
            assert_eq!(harness.fanout.send(everyone), Err(BrokerError::Busy));
        }
        assert_eq!(taken(&here, ROOM).await.len(), ROOM);
        assert!(there.taken().is_empty());
        // The refused have left nothing taken in the shard that had room.
        for _ in 0..ROOM {
            assert_eq!(harness.fanout.send(Harness::message("both")), Ok(2));
        }
        assert_eq!(
            harness.fanout.send(Harness::message("both")),
            Err(BrokerError::Busy)
        );
        assert_eq!(taken(&there, ROOM).await.len(), ROOM);
    });
}

#[test]
fn room_that_is_not_used_is_given_back() {
    on_a_worker(async {
        let harness = Harness::new();
        let shard = harness.shard();
        let listener = Listener::new(&shard);
        listener.membership.join(&"news".into());
        for _ in 0..10 * ROOM {
            let room = harness
                .fanout
                .with_shards(&"news".into(), |shards| shards.reserve(100));
            assert!(room.is_ok());
        }
    });
}

#[test]
fn a_shard_that_came_between_gets_it_or_its_members_are_told() {
    on_a_worker(async {
        let harness = Harness::new();
        let (early, late, full) = (harness.shard(), harness.shard(), harness.shard());
        let (first, second, third) = (
            Listener::new(&early),
            Listener::new(&late),
            Listener::new(&full),
        );
        first.membership.join(&"news".into());
        let publication = Harness::message("news");
        let bytes = publication.weight();
        let room = harness
            .fanout
            .with_shards(&"news".into(), |shards| shards.reserve(bytes));
        let room = room.expect("room");
        third.membership.join(&"other".into());
        for _ in 0..ROOM {
            harness
                .fanout
                .send(Harness::message("other"))
                .expect("room");
        }
        let positioned = crate::shard::SubscribeOptions {
            positioned: true,
            ..Default::default()
        };
        second.membership.join(&"news".into());
        third.membership.subscribe(&"news".into(), positioned);
        harness
            .fanout
            .with_shards(&"news".into(), |shards| shards.send(|| publication, room));
        assert_eq!(taken(&first, 1).await.len(), 1);
        assert_eq!(taken(&second, 1).await.len(), 1);
        assert_eq!(
            taken(&third, ROOM).await.len(),
            ROOM,
            "only what it had room for"
        );
    });
}

/// Joins and leaves that found no room in a shard were dropped without a word, and whoever kept a
/// list by them had people in it who had gone. They are counted, one for each.
#[test]
fn a_join_that_finds_no_room_is_counted() {
    on_a_worker(async {
        let harness = Harness::new();
        let shard = harness.shard();
        let (room, fanout) = (ChannelName::from("room"), &harness.fanout);
        let listener = Listener::new(&shard);
        listener.membership.join(&room);
        for _ in 0..ROOM {
            fanout.send_join_leave(&room, Content::Join(Arc::default()));
        }
        let untold = &harness.shards.metrics().joins_leaves_untold;
        assert_eq!(untold.load(Relaxed), 0);
        fanout.send_join_leave(&room, Content::Join(Arc::default()));
        fanout.send_join_leave(&room, Content::Leave(Arc::default()));
        assert_eq!(untold.load(Relaxed), 2);
    });
}

/// A plain client without positions could get a publication from before it came, which still waited
/// in its shard's inbox, and not the next one, which went out while nobody listened there: a hole
/// that nobody told it of. It gets what is published from its join on.
#[test]
fn a_member_without_positions_gets_nothing_from_before_it_joined() {
    on_a_worker(async {
        let harness = Harness::new();
        let shard = harness.shard();
        let (news, fanout) = (ChannelName::from("news"), &harness.fanout);
        let numbered = |text: &str| {
            Publication::message(Target::Channel(news.clone()), crate::testing::text(text))
        };
        let (first, second) = (Listener::new(&shard), Listener::new(&shard));
        first.membership.join(&news);
        assert_eq!(fanout.send(numbered("1")), Ok(1));
        assert_eq!(taken(&first, 1).await, [(0, "1".into())]);
        assert_eq!(fanout.send(numbered("2")), Ok(1));
        first.membership.unsubscribe(&news);
        assert_eq!(fanout.send(numbered("3")), Ok(0));
        // Its first membership is over before it has begun, and must not begin the second one.
        second.membership.join(&news);
        assert_eq!(fanout.send(numbered("4")), Ok(1));
        second.membership.unsubscribe(&news);
        assert_eq!(fanout.send(numbered("5")), Ok(0));
        second.membership.join(&news);
        assert_eq!(fanout.send(numbered("6")), Ok(1));
        assert_eq!(taken(&second, 1).await, [(0, "6".into())]);
        assert!(first.taken().is_empty());
    });
}
