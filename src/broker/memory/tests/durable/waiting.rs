//! What waits for the store, and the room that it leaves.

use super::*;

// Each lock kept the room of the largest flood that it ever had.
#[test]
fn the_room_of_a_flood_that_waited_is_given_back() {
    on_a_worker(async {
        let durable = DurableHarness::new();
        let channels: Vec<String> = (0..100).map(|number| format!("c{number}")).collect();
        let mut answers = Vec::new();
        for number in 0..50 {
            let key = format!("k{number}");
            let flood = channels.iter().map(|channel| keyed(channel, "x", &key));
            answers.extend(flood.map(|request| durable.broker.publish(request)));
        }
        let room = || {
            let rooms = durable.broker.stripes.iter();
            let rooms = rooms.map(|stripe| locked(stripe).waiting.room());
            rooms.fold((0, 0), |most, room| {
                (most.0.max(room.0), most.1.max(room.1))
            })
        };
        assert!(room().0 >= 50 && room().1 >= 50, "{:?}", room());
        durable.store.write(answers.len());
        for answer in answers {
            answer.await.expect("written");
        }
        assert!(room().0 <= 16 && room().1 <= 16, "{:?}", room());
    });
}
