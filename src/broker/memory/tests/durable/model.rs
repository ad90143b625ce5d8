//! A model of what may be told while something waits to be written.

use std::collections::BTreeMap;

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

    /// A number below that, once in three times.
    fn now_and_then(&mut self, below: u64) -> Option<u64> {
        (self.roll(3) == 0).then(|| self.roll(below))
    }
}

type Answer = BrokerFuture<PublishResult>;

/// What is placed and not written.
enum WaitingStep {
    Kept {
        payload: String,
        key: Option<u64>,
        version: Option<u64>,
        answer: Answer,
        /// Who asked for the same.
        followers: Vec<Answer>,
    },
    /// Not kept, behind what is.
    Behind(String, Answer),
    Removal(BrokerFuture<()>),
}

/// What the model knows of one channel.
#[derive(Default)]
struct Model {
    /// Committed and not removed, in order.
    items: Vec<String>,
    top: u64,
    /// Places by key, and the newest version.
    keys: BTreeMap<u64, u64>,
    version: Option<u64>,
    waiting: Vec<WaitingStep>,
    /// Who listens, with what each must have had since it came.
    listeners: Vec<(Listener, Vec<(u64, String)>)>,
}

impl Model {
    fn deliver(&mut self, offset: u64, payload: &str) {
        for (_, heard) in &mut self.listeners {
            heard.push((offset, payload.to_string()));
        }
    }

    /// Who waits with this key, or with a version that is as new.
    fn same(&mut self, key: Option<u64>, version: Option<u64>) -> Option<&mut Vec<Answer>> {
        let mut latest = self.waiting.iter().rev();
        let newest = latest.find_map(|step| match step {
            WaitingStep::Kept { version, .. } => *version,
            _ => None,
        });
        self.waiting.iter_mut().find_map(|step| match step {
            WaitingStep::Kept {
                key: known,
                version: at,
                followers,
                ..
            } => {
                let is_same = key.is_some() && *known == key;
                let is_newest = at.is_some() && *at == newest;
                let is_late = version.is_some() && version <= newest && is_newest;
                (is_same || is_late).then_some(followers)
            }
            _ => None,
        })
    }

    /// The place that is told of what was published before.
    fn known(&self, key: Option<u64>, version: Option<u64>) -> Option<u64> {
        let by_key = key.and_then(|key| self.keys.get(&key).copied());
        let has_newer = self
            .waiting
            .iter()
            .any(|step| matches!(step, WaitingStep::Kept { version, .. } if version.is_some()));
        let is_late = version.is_some() && version <= self.version && !has_newer;
        by_key.or(is_late.then_some(self.top))
    }

    /// The first step that waits to be written was, or was not; those behind it that are not kept
    /// go on.
    async fn commit(&mut self, outcome: Result<(), BrokerError>) {
        match self.waiting.remove(0) {
            WaitingStep::Behind(..) => panic!("it waits behind another"),
            WaitingStep::Removal(answer) => {
                assert_eq!(answer.await, outcome);
                if outcome.is_ok() {
                    self.items.clear();
                }
            }
            WaitingStep::Kept {
                payload,
                key,
                version,
                answer,
                followers,
            } => {
                if outcome.is_ok() {
                    self.top += 1;
                    self.deliver(self.top, &payload);
                    self.items.push(payload);
                    self.keys.extend(key.map(|key| (key, self.top)));
                    self.version = version.or(self.version);
                }
                let place = outcome.map(|()| (Some(self.top), false));
                assert_eq!(told(answer.await), place);
                for follower in followers {
                    assert_eq!(told(follower.await), place.map(|(place, _)| (place, true)));
                }
            }
        }
        while let Some(WaitingStep::Behind(..)) = self.waiting.first() {
            let WaitingStep::Behind(payload, answer) = self.waiting.remove(0) else {
                return;
            };
            self.deliver(0, &payload);
            assert_eq!(told(answer.await), Ok((None, false)));
        }
    }
}

/// The place, and whether it was suppressed.
fn told(result: Result<PublishResult, BrokerError>) -> Result<(Option<u64>, bool), BrokerError> {
    result.map(|result| {
        let offset = result.position.map(|place| place.offset);
        (offset, result.suppressed)
    })
}

const NAMES: [&str; 2] = ["a", "b"];

struct World {
    dice: Dice,
    durable: DurableHarness,
    shard: Rc<Shard>,
    models: [Model; 2],
    /// The order in which they are written, by the channel's place in [`NAMES`].
    queue: Vec<usize>,
}

impl World {
    async fn publish(&mut self, index: usize, payload: String) {
        let (key, version) = match self.dice.roll(2) {
            0 => (self.dice.now_and_then(4), None),
            _ => (None, self.dice.now_and_then(6)),
        };
        let mut request = kept(NAMES[index], &payload, LONG);
        request.history = Some(HistoryOptions {
            size: 1000,
            ttl: LONG,
        });
        request.idempotency_key = key.map(|key| key.to_string().as_str().into());
        request.version = version.map(|number| {
            Box::new(Version {
                number,
                epoch: String::new(),
            })
        });
        let answer = self.durable.broker.publish(request);
        let model = &mut self.models[index];
        if let Some(followers) = model.same(key, version) {
            followers.push(answer);
        } else if let Some(place) = model.known(key, version) {
            assert_eq!(told(answer.await), Ok((Some(place), true)));
        } else {
            model.waiting.push(WaitingStep::Kept {
                payload,
                key,
                version,
                answer,
                followers: Vec::new(),
            });
            self.queue.push(index);
        }
    }

    async fn publish_unkept(&mut self, index: usize, payload: String) {
        let target = Target::Channel(NAMES[index].into());
        let request = PublishRequest::new(target, text(&payload));
        let answer = self.durable.broker.publish(request);
        let model = &mut self.models[index];
        if model.waiting.is_empty() {
            assert_eq!(told(answer.await), Ok((None, false)));
            model.deliver(0, &payload);
        } else {
            model.waiting.push(WaitingStep::Behind(payload, answer));
        }
    }

    fn remove(&mut self, index: usize) {
        let answer = self.durable.broker.remove_history(&NAMES[index].into());
        self.models[index]
            .waiting
            .push(WaitingStep::Removal(answer));
        self.queue.push(index);
    }

    /// Somebody comes, or who came first goes.
    async fn come_or_go(&mut self, index: usize) {
        // What was sent before is delivered, or whoever comes would have it too.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let model = &mut self.models[index];
        if self.dice.roll(2) == 0 && !model.listeners.is_empty() {
            let (listener, heard) = model.listeners.remove(0);
            assert_eq!(suite::taken(&listener, heard.len()).await, heard);
            return;
        }
        let listener = Listener::new(&self.shard);
        listener.membership.join(&NAMES[index].into());
        model.listeners.push((listener, Vec::new()));
    }

    async fn write(&mut self) {
        let number = self.dice.roll(4) as usize;
        let written = self.durable.store.write(number);
        for index in self.queue.drain(..written) {
            self.models[index].commit(Ok(())).await;
        }
    }

    async fn fail(&mut self) {
        let (error, told) = match self.dice.roll(2) {
            0 => (StoreError::NotWritten, BrokerError::NotKept),
            _ => (StoreError::Doubtful, BrokerError::Doubtful),
        };
        self.durable.store.fail(error);
        for index in self.queue.drain(..) {
            self.models[index].commit(Err(told)).await;
        }
    }

    /// Nothing is in the histories but what was answered.
    fn check(&self) {
        for (name, model) in NAMES.iter().zip(&self.models) {
            let broker = &self.durable.broker;
            let history = broker.read(&(*name).into(), &HistoryFilter::default());
            let items = history
                .items
                .iter()
                .map(|item| String::from_utf8_lossy(item.payload.as_bytes()).into_owned());
            assert_eq!(items.collect::<Vec<_>>(), model.items);
            assert_eq!(history.top.offset, model.top);
        }
    }
}

// Random places, keys, versions, removals, commits, failed writes, restarts, and listeners that
// come and go: each who listens has each item once and in order, whatever is answered is what is in
// the history, and nothing else is.
#[test]
#[expect(
    clippy::print_stderr,
    reason = "shown where it fails: how to do it again"
)]
fn a_model_of_places_commits_and_failed_writes_holds() {
    for seed in 0..40 {
        on_a_worker(async move {
            eprintln!("seed {seed}");
            model(seed).await;
        });
    }
}

async fn model(seed: u64) {
    let durable = DurableHarness::new();
    let shard = durable.harness.shard();
    let mut world = World {
        dice: Dice(seed),
        durable,
        shard,
        models: Default::default(),
        queue: Vec::new(),
    };
    // Both have a stream from here on.
    world.check();
    for step in 0..150 {
        let index = world.dice.roll(2) as usize;
        match world.dice.roll(13) {
            0..=3 => world.publish(index, format!("{step}")).await,
            4 | 5 => world.publish_unkept(index, format!("{step}")).await,
            6 => world.remove(index),
            7 => world.come_or_go(index).await,
            8..=10 => world.write().await,
            11 => world.fail().await,
            _ if world.queue.is_empty() => {
                world.durable.broker = world.durable.reopen(world.durable.records());
            }
            _ => {}
        }
        world.check();
    }
    for (listener, heard) in world.models.iter().flat_map(|model| &model.listeners) {
        assert_eq!(suite::taken(listener, heard.len()).await, *heard);
    }
}
