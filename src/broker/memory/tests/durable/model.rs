//! A model of what may be told while something waits to be written.

use super::*;

/// A generator of numbers that a failure can be repeated with.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }
}

/// What the model knows of one channel.
#[derive(Default)]
struct Model {
    /// Committed, in order.
    items: Vec<String>,
    /// Placed and not written: text, and whether it is kept.
    waiting: Vec<(String, bool, BrokerFuture<PublishResult>)>,
    /// What its listener must have had.
    heard: Vec<(u64, String)>,
}

// Random places, commits, failed writes, restarts and listeners: each who listens has each item
// once and in order, whatever is answered is what is in the history, and nothing else is.
#[test]
fn a_model_of_places_commits_and_failed_writes_holds() {
    for seed in 0..40 {
        on_a_worker(async move { model(seed).await });
    }
}

async fn model(seed: u64) {
    let mut dice = Dice(seed);
    let mut durable = DurableHarness::new();
    let shard = durable.harness.shard();
    let names = ["a", "b"];
    let listeners = names.map(|name| {
        let listener = Listener::new(&shard);
        listener.membership.join(&name.into());
        listener
    });
    let mut models = [Model::default(), Model::default()];
    // The order in which they are written, by the channel's place in `names`.
    let mut queue: Vec<usize> = Vec::new();
    for step in 0..150 {
        match dice.roll(10) {
            0..=4 => {
                let (index, is_kept) = (dice.roll(2) as usize, dice.roll(3) > 0);
                let payload = format!("{step}");
                let request = match is_kept {
                    true => PublishRequest {
                        history: Some(HistoryOptions {
                            size: 1000,
                            ttl: LONG,
                        }),
                        ..kept(names[index], &payload, LONG)
                    },
                    false => {
                        PublishRequest::new(Target::Channel(names[index].into()), text(&payload))
                    }
                };
                let answer = durable.broker.publish(request);
                let model = &mut models[index];
                if !is_kept && model.waiting.is_empty() {
                    assert_eq!(answer.await.expect("room").position, None);
                    model.heard.push((0, payload));
                    continue;
                }
                model.waiting.push((payload, is_kept, answer));
                queue.extend(is_kept.then_some(index));
            }
            5..=7 => {
                let number = dice.roll(4) as usize;
                let written = durable.store.write(number);
                for index in queue.drain(..written) {
                    commit(&mut models[index], true).await;
                }
            }
            8 => {
                durable.store.fail(StoreError::NotWritten);
                for index in queue.drain(..) {
                    commit(&mut models[index], false).await;
                }
            }
            _ if queue.is_empty() => {
                durable.broker = durable.reopen(durable.records());
            }
            _ => {}
        }
        for (name, model) in names.iter().zip(&models) {
            let history = durable
                .broker
                .read(&(*name).into(), &HistoryFilter::default());
            let items = history
                .items
                .iter()
                .map(|item| String::from_utf8_lossy(item.payload.as_bytes()).into_owned());
            assert_eq!(
                items.collect::<Vec<_>>(),
                model.items,
                "seed {seed}, step {step}"
            );
            assert_eq!(history.top.offset, model.items.len() as u64);
        }
    }
    for (listener, model) in listeners.iter().zip(&models) {
        let heard = suite::taken(listener, model.heard.len()).await;
        assert_eq!(heard, model.heard, "seed {seed}");
    }
}

/// The first that waits to be written was, or was not; those behind it that are not kept go on.
async fn commit(model: &mut Model, is_written: bool) {
    let (payload, is_kept, answer) = model.waiting.remove(0);
    assert!(is_kept);
    match is_written {
        true => {
            model.items.push(payload.clone());
            let offset = model.items.len() as u64;
            model.heard.push((offset, payload));
            let place = answer.await.expect("written").position.expect("a place");
            assert_eq!(place.offset, offset);
        }
        false => assert_eq!(answer.await, Err(BrokerError::NotKept)),
    }
    while model
        .waiting
        .first()
        .is_some_and(|(_, is_kept, _)| !is_kept)
    {
        let (payload, _, answer) = model.waiting.remove(0);
        model.heard.push((0, payload));
        answer.await.expect("room");
    }
}
