//! What a publication through the server API costs: `POST /api/publish`, or `/api/batch`, on
//! connections that are kept.
//!
//! A publication is under way until it was answered and every subscriber has it; no more than
//! connections × pipeline × batch are. So nothing piles up in the server, and what is measured is
//! its work. The measured part begins and ends with nothing under way, which is when the server's
//! CPU time can be read exactly. Its length in publications follows from a warm-up, so that it
//! lasts about `--seconds`.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    clients::{Clients, Event},
    error::LoadError,
    http, ledger,
    ledger::Ledger,
    options::{Options, kind_name},
    process::{self, Cpu, Process},
    subscribers,
};

/// How long the warm-up lasts.
const WARM_UP: Duration = Duration::from_secs(1);
/// Between two looks at how far it came, where nothing happens.
const LOOK: Duration = Duration::from_millis(100);

/// One publishing connection.
struct Publisher {
    connection: usize,
    /// The number of its next publication.
    next: u64,
    /// When each request that is not answered was sent.
    unanswered: VecDeque<Instant>,
}

/// The measurement's state.
struct Run<'a> {
    options: &'a Options,
    clients: Clients,
    publishers: Vec<Publisher>,
    /// The subscriber's place in the ledger, by connection number.
    places: Vec<Option<usize>>,
    ledger: Ledger,
    subscribers: u64,
    published: u64,
    answered: u64,
    refused: u64,
    latencies: Vec<u64>,
}

/// What the measured part was and took.
struct Measured {
    publications: u64,
    /// Of them, for want of room.
    refused: u64,
    deliveries: u64,
    elapsed: Duration,
    server: Cpu,
    /// The load generator's own CPU time.
    load: Duration,
    /// CPU time of everything else on the machine, in seconds; may be just below zero.
    others: f64,
}

/// Runs the measurement.
pub fn run(options: &Options, server: Process) -> Result<Value, LoadError> {
    let mut run = Run::new(options)?;
    let publications = run.warm_up()?;
    let measured = run.measure(publications, server)?;
    run.latencies.sort_unstable();
    Ok(report(options, &measured, &run.latencies))
}

/// The line that is printed, of latencies that are sorted.
fn report(options: &Options, measured: &Measured, latencies: &[u64]) -> Value {
    let &Measured {
        publications,
        refused,
        deliveries,
        others,
        ..
    } = measured;
    let seconds = measured.elapsed.as_secs_f64();
    let spent = measured.server.threads.as_secs_f64();
    json!({
        "mode": "publish",
        "kind": kind_name(options.kind),
        "subscribers": options.subscribers,
        "history": options.history,
        "batch": options.batch,
        "size": options.size,
        "connections": options.connections,
        "channels": options.spread,
        "pipeline": options.pipeline,
        "publications": publications,
        "deliveries": deliveries,
        "refused": refused,
        "seconds": seconds,
        "publications_per_s": (publications - refused) as f64 / seconds,
        "deliveries_per_s": deliveries as f64 / seconds,
        "server_cpu_us_per_publication": spent * 1e6 / publications as f64,
        "server_cpu_us_per_delivery": (deliveries > 0).then(|| spent * 1e6 / deliveries as f64),
        "server_cpu_busy": spent / seconds,
        "server_cpu_busy_by_ticks": measured.server.ticks.as_secs_f64() / seconds,
        "load_cpu_busy": measured.load.as_secs_f64() / seconds,
        "others_cpu": (others / seconds).max(0.0),
        "answer_p50_us": percentile(latencies, 50),
        "answer_p99_us": percentile(latencies, 99),
    })
}

impl<'a> Run<'a> {
    fn new(options: &'a Options) -> Result<Self, LoadError> {
        let mut clients = Clients::new(options.address)?;
        let channel = vec![channel(options).to_owned()];
        let sessions = vec![channel; options.subscribers];
        let numbers = subscribers::open(&mut clients, options.kind, &sessions, options.patience)?;
        let mut places = vec![None; numbers.len()];
        for (place, number) in numbers.into_iter().enumerate() {
            places[number] = Some(place);
        }
        let publishers = (0..options.connections)
            .map(|_| {
                Ok(Publisher {
                    connection: clients.http()?,
                    next: 0,
                    unanswered: VecDeque::new(),
                })
            })
            .collect::<Result<_, LoadError>>()?;
        Ok(Self {
            options,
            clients,
            publishers,
            places,
            ledger: Ledger::new(options.subscribers, options.connections),
            subscribers: options.subscribers as u64,
            published: 0,
            answered: 0,
            refused: 0,
            latencies: Vec::new(),
        })
    }

    /// Publishes for a while and waits until nothing is under way. Says how many publications the
    /// measured part has, whole turns over the connections.
    fn warm_up(&mut self) -> Result<u64, LoadError> {
        let begun = Instant::now();
        while begun.elapsed() < WARM_UP {
            let some = self.published + self.window();
            self.publish_until(some)?;
        }
        self.drain()?;
        let rate = self.published as f64 / begun.elapsed().as_secs_f64();
        let turn = (self.options.batch * self.options.connections) as u64;
        let wanted = (rate * self.options.seconds.as_secs_f64()) as u64;
        Ok((wanted / turn).max(1) * turn)
    }

    /// Publishes so many and waits for all of them, between two readings of the CPU times.
    fn measure(&mut self, publications: u64, server: Process) -> Result<Measured, LoadError> {
        let (refused, missed) = (self.refused, self.ledger.missed());
        let received = self.ledger.received();
        self.latencies.clear();
        let load = Process {
            pid: std::process::id(),
        };
        let (server_before, load_before) = (server.cpu()?, load.cpu()?);
        let machine_before = process::machine_busy()?;
        let start = Instant::now();
        self.publish_until(self.published + publications)?;
        self.drain()?;
        let elapsed = start.elapsed();
        let server = server.cpu()?.since(server_before);
        let load = load.cpu()?.since(load_before).threads;
        let machine = process::machine_busy()? - machine_before;

        let refused = self.refused - refused;
        if self.ledger.missed() - missed > refused * self.subscribers {
            return Err(LoadError::unexpected(
                0,
                "more publications are missing than were refused",
            ));
        }
        Ok(Measured {
            publications,
            refused,
            deliveries: self.ledger.received() - received,
            elapsed,
            server,
            load,
            others: machine.as_secs_f64() - server.ticks.as_secs_f64() - load.as_secs_f64(),
        })
    }

    /// Publications that may be under way.
    fn window(&self) -> u64 {
        (self.options.connections * self.options.pipeline * self.options.batch) as u64
    }

    /// Receipts that are still to come.
    fn undelivered(&self) -> u64 {
        ((self.published - self.refused) * self.subscribers).saturating_sub(self.ledger.received())
    }

    /// Publishes until `target` were published in all; the last ones may still be under way then.
    fn publish_until(&mut self, target: u64) -> Result<(), LoadError> {
        let mut progress = (self.published, Instant::now());
        while self.published < target {
            self.fill(target)?;
            self.turn()?;
            self.look(&mut progress)?;
        }
        Ok(())
    }

    /// Waits until nothing is under way.
    fn drain(&mut self) -> Result<(), LoadError> {
        let mut progress = (0, Instant::now());
        while self.answered < self.published || self.undelivered() > 0 {
            self.turn()?;
            self.look(&mut progress)?;
        }
        Ok(())
    }

    fn look(&self, progress: &mut (u64, Instant)) -> Result<(), LoadError> {
        let sum = self.published + self.answered + self.ledger.received();
        if sum != progress.0 {
            *progress = (sum, Instant::now());
        } else if progress.1.elapsed() > self.options.patience {
            return Err(LoadError::Stalled {
                seconds: self.options.patience.as_secs(),
                state: format!(
                    "{} published, {} answered, {} receipts missing",
                    self.published,
                    self.answered,
                    self.undelivered()
                ),
            });
        }
        Ok(())
    }

    /// Sends as many requests as there is room for, in turn over the connections.
    fn fill(&mut self, target: u64) -> Result<(), LoadError> {
        let (batch, window) = (self.options.batch as u64, self.window());
        for index in 0..self.publishers.len() {
            let mut requests = Vec::new();
            while self.published < target
                && self.publishers[index].unanswered.len() < self.options.pipeline
                // A publication is delivered when the last one has it; on the way there the mean is
                // near enough.
                && self.undelivered() + batch * self.subscribers <= window * self.subscribers
            {
                let publisher = &mut self.publishers[index];
                let body = request(self.options, index, &mut publisher.next);
                let method = if batch == 1 {
                    "/api/publish"
                } else {
                    "/api/batch"
                };
                requests.extend(http::post(
                    self.clients.address(),
                    method,
                    &self.options.key,
                    &body,
                ));
                publisher.unanswered.push_back(Instant::now());
                self.published += batch;
            }
            if !requests.is_empty() {
                self.clients
                    .send(self.publishers[index].connection, &requests)?;
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), LoadError> {
        let Self {
            clients,
            places,
            ledger,
            publishers,
            answered,
            refused,
            latencies,
            options,
            ..
        } = self;
        clients.turn(
            LOOK,
            &mut |number, event| match (event, places.get(number)) {
                (Event::Message(message), Some(Some(place))) => ledger
                    .receive(*place, message)
                    .map_err(|fault| LoadError::unexpected(number, fault)),
                (
                    Event::Answer {
                        status: 200, body, ..
                    },
                    _,
                ) => {
                    *refused +=
                        refusals(body).map_err(|fault| LoadError::unexpected(number, fault))?;
                    *answered += options.batch as u64;
                    let publisher = publishers
                        .iter_mut()
                        .find(|publisher| publisher.connection == number);
                    if let Some(sent) =
                        publisher.and_then(|publisher| publisher.unanswered.pop_front())
                    {
                        latencies
                            .push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
                    }
                    Ok(())
                }
                (event, _) => Err(LoadError::unexpected(number, format!("{event:?}"))),
            },
        )
    }
}

/// The channel: its namespace says whether it keeps a history.
fn channel(options: &Options) -> &'static str {
    if options.history {
        "kept:bench"
    } else {
        "plain:bench"
    }
}

/// One request with the next publications of a connection.
fn request(options: &Options, connection: usize, next: &mut u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(options.batch * (options.size + 64) + 32);
    let mut command = |body: &mut Vec<u8>| {
        body.extend_from_slice(b"{\"channel\":\"");
        body.extend_from_slice(channel(options).as_bytes());
        if options.spread > 1 {
            // Each connection begins elsewhere.
            let number = (*next as usize * options.connections + connection) % options.spread;
            body.extend_from_slice(number.to_string().as_bytes());
        }
        body.extend_from_slice(b"\",\"data\":");
        ledger::data(body, connection, *next, options.size);
        body.push(b'}');
        *next += 1;
    };
    if options.batch == 1 {
        command(&mut body);
        return body;
    }
    body.extend_from_slice(b"{\"commands\":[");
    for index in 0..options.batch {
        body.extend_from_slice(if index == 0 {
            b"{\"publish\":"
        } else {
            b",{\"publish\":"
        });
        command(&mut body);
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    body
}

/// How many publications of an answer were refused for want of room (error 100); any other error is
/// a fault.
fn refusals(body: &[u8]) -> Result<u64, String> {
    if !body.windows(8).any(|part| part == b"\"error\":") {
        return Ok(0);
    }
    let answer: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let replies = answer["replies"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![answer]);
    let mut refused = 0;
    for reply in replies {
        let error = [&reply["error"], &reply["publish"]["error"]]
            .into_iter()
            .find(|error| !error.is_null());
        match error.map(|error| error["code"].as_u64()) {
            None => (),
            Some(Some(100)) => refused += 1,
            Some(_) => return Err(format!("answered with {reply}")),
        }
    }
    Ok(refused)
}

/// A percentile of sorted values; 0 of none.
pub fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(batch: usize) -> Options {
        let line = format!("publish --pid 1 --port 9 --key k --batch {batch}");
        Options::parse(line.split(' ').map(str::to_owned)).unwrap()
    }

    #[test]
    fn a_request_holds_as_many_publications_as_its_batch() {
        let (mut next, one, three) = (5, options(1), options(3));
        let single: Value = serde_json::from_slice(&request(&one, 2, &mut next)).unwrap();
        assert_eq!(single["channel"], "plain:bench");
        assert_eq!(single["data"]["n"], "020000000005");
        let batch: Value = serde_json::from_slice(&request(&three, 2, &mut next)).unwrap();
        assert_eq!(batch["commands"].as_array().unwrap().len(), 3);
        assert_eq!(batch["commands"][2]["publish"]["data"]["n"], "020000000008");
        assert_eq!(next, 9);
    }

    #[test]
    fn only_want_of_room_is_a_refusal() {
        assert_eq!(refusals(b"{\"result\":{\"offset\":1}}"), Ok(0));
        assert_eq!(refusals(b"{\"error\":{\"code\":100}}"), Ok(1));
        let batch = b"{\"replies\":[{\"publish\":{}},{\"error\":{\"code\":100}},{\"publish\":{\"error\":{\"code\":100}}}]}";
        assert_eq!(refusals(batch), Ok(2));
        assert!(refusals(b"{\"error\":{\"code\":102}}").is_err());
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        assert_eq!(percentile(&[], 99), 0);
        assert_eq!(percentile(&[1, 2, 3, 4], 50), 3);
        assert_eq!(percentile(&[1, 2, 3, 4], 100), 4);
    }
}
