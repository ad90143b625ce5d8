//! What waits for the store, and the room that it leaves.

use super::*;

// Each lock kept the room of the largest flood that it ever had.
#[test]
fn the_room_of_a_flood_that_waited_is_given_back() {
    on_a_worker(async {
        let durable = DurableHarness::new();
        // A key is written whether its channel keeps a history or not.
        let flood = (0..7000).map(|number| {
            let mut request = keyed(&format!("c{number}"), "x", "k");
            request.history = request.history.filter(|_| number < 500);
            request
        });
        let answers: Vec<_> = flood
            .map(|request| durable.broker.publish(request))
            .collect();
        let most = || {
            let rooms = durable.broker.stripes.iter();
            let rooms = rooms.map(|stripe| locked(stripe).waiting.room());
            rooms.fold([0; 3], |most, room| {
                [0, 1, 2].map(|at| room[at].max(most[at]))
            })
        };
        assert!(most().iter().all(|room| *room >= 100), "{:?}", most());
        durable.store.write(answers.len());
        for answer in answers {
            answer.await.expect("written");
        }
        let [entries, keys, streamless] = most();
        assert!(
            entries <= 16 && keys <= 16 && streamless <= 64,
            "{:?}",
            most()
        );
    });
}
