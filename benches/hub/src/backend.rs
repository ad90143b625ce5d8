//! A backend that is well, slow, slow under a crowd, down, and well again: what those who ask it
//! see, and how late the publications of all others become meanwhile.
//!
//! One server process goes through all phases. Bounds: a phase lasts `--seconds`, and until every
//! asker saw something, which [`ANSWER_MAX`] bounds.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    askers::Askers, clients::Clients, error::LoadError, mock::Mock, options::Options,
    process::Process, witnesses::Witnesses,
};

/// How late the slow backend is.
const SLOW: Duration = Duration::from_secs(10);
/// A phase ends then at the latest, with what was seen until then.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// What comes right after an answer, such as a close, belongs to it.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// How the backend is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Slow,
    Down,
}

/// The state of all phases.
struct Run<'a> {
    options: &'a Options,
    server: Process,
    clients: Clients,
    mock: Mock,
    witnesses: Witnesses,
}

/// Runs all phases.
pub fn run(options: &Options, server: Process) -> Result<Value, LoadError> {
    let mut mock = Mock::new(options.backend);
    mock.up(Duration::ZERO)?;
    let mut clients = Clients::new(options.address)?;
    let witnesses = Witnesses::open(&mut clients, options)?;
    let mut run = Run {
        options,
        server,
        clients,
        mock,
        witnesses,
    };
    let mut phases = Vec::new();
    for (name, health, crowd) in [
        ("well", Health::Well, false),
        ("slow", Health::Slow, false),
        ("slow, a crowd asks", Health::Slow, true),
        ("down", Health::Down, false),
        ("down, a crowd asks", Health::Down, true),
        ("well again", Health::Well, false),
    ] {
        phases.push(run.phase(name, health, crowd)?);
    }
    Ok(json!({
        "mode": "backend",
        "hook_timeout_s": options.hook_timeout.as_secs(),
        "backend_answers_after_s": SLOW.as_secs(),
        "others": options.others,
        "publications_per_s": options.rate,
        "crowd": options.crowd,
        "phases": phases,
    }))
}

impl Run<'_> {
    fn phase(&mut self, name: &str, health: Health, crowd: bool) -> Result<Value, LoadError> {
        eprintln!("  {name}");
        // Sessions are made while it is well; a connection to it that was kept may just be ending.
        self.mock.up(Duration::ZERO)?;
        let mut askers = if crowd {
            Askers::prepare_crowd(&mut self.clients, self.options.crowd)?
        } else {
            Askers::prepare(&mut self.clients)?
        };
        let begun = Instant::now();
        while !askers.are_ready() {
            self.turn(&mut askers)?;
            if begun.elapsed() > self.options.patience {
                return Err(LoadError::Stalled {
                    seconds: self.options.patience.as_secs(),
                    state: format!("{name}: not everyone has a session: {}", askers.figures()),
                });
            }
        }
        self.settle(&mut askers)?;
        self.witnesses.figures()?;

        match health {
            Health::Well => (),
            Health::Slow => self.mock.up(SLOW)?,
            Health::Down => self.mock.down(),
        }
        let (asked, cpu, start) = (self.mock.asked(), self.server.cpu()?, Instant::now());
        askers.ask(&mut self.clients, self.options)?;
        let mut done = None;
        loop {
            self.turn(&mut askers)?;
            if done.is_none() && askers.are_done() {
                done = Some(Instant::now());
            }
            let answered = done.is_some_and(|at: Instant| at.elapsed() > AFTERWARDS);
            if start.elapsed() > self.options.seconds && answered || start.elapsed() > ANSWER_MAX {
                break;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let spent = (self.server.cpu()?.threads - cpu.threads).as_secs_f64();
        self.settle(&mut askers)?;
        askers.end(&mut self.clients);
        let mut seen = askers.figures();
        if crowd {
            seen = counted(&seen);
        }
        Ok(json!({
            "phase": name,
            "seconds": seconds,
            "server_cpu_busy": spent / seconds,
            "questions_read_by_the_backend": self.mock.asked() - asked,
            "delays": self.witnesses.figures()?,
            "askers": seen,
        }))
    }

    /// Waits until the witnesses have what was published.
    fn settle(&mut self, askers: &mut Askers) -> Result<(), LoadError> {
        let start = Instant::now();
        while !self.witnesses.have_all() {
            let wait = Duration::from_millis(10);
            turn(&mut self.clients, &mut self.witnesses, askers, wait)?;
            if start.elapsed() > self.options.patience {
                return Err(LoadError::unexpected(0, "a witness did not get everything"));
            }
        }
        Ok(())
    }

    fn turn(&mut self, askers: &mut Askers) -> Result<(), LoadError> {
        self.witnesses.publish(&mut self.clients, self.options)?;
        let wait = self.witnesses.due_in();
        turn(&mut self.clients, &mut self.witnesses, askers, wait)
    }
}

fn turn(
    clients: &mut Clients,
    witnesses: &mut Witnesses,
    askers: &mut Askers,
    wait: Duration,
) -> Result<(), LoadError> {
    let mut connecting = Vec::new();
    clients.turn(wait, &mut |number, event| {
        if !witnesses.receive(number, &event)? {
            connecting.extend(askers.receive(number, &event)?);
        }
        Ok(())
    })?;
    for number in connecting {
        clients.send_text(number, br#"{"id":1,"connect":{}}"#)?;
    }
    Ok(())
}

/// The askers of a crowd by what they saw first, with the first and the last time.
fn counted(seen: &Value) -> Value {
    let mut groups: Vec<(String, usize, f64, f64)> = Vec::new();
    for asker in seen.as_array().into_iter().flatten() {
        let first = &asker["seen"][0];
        let saw = first["saw"].as_str().unwrap_or("nothing").to_owned();
        let after = first["after_s"].as_f64().unwrap_or(f64::NAN);
        match groups.iter_mut().find(|group| group.0 == saw) {
            Some(group) => {
                group.1 += 1;
                group.2 = group.2.min(after);
                group.3 = group.3.max(after);
            }
            None => groups.push((saw, 1, after, after)),
        }
    }
    let shown = |(saw, count, first, last): &(String, usize, f64, f64)| json!({"count": count, "saw": saw, "first_after_s": first, "last_after_s": last});
    groups.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_counted_by_what_it_saw() {
        let asker = |after: f64, saw: &str| json!({"what": "rpc", "seen": [{"after_s": after, "saw": saw}]});
        let seen =
            json!([asker(5.0, "a"), asker(4.5, "a"), asker(0.1, "b"), {"what": "rpc", "seen": []}]);
        let groups = counted(&seen);
        assert_eq!(
            groups[0],
            json!({"count": 2, "saw": "a", "first_after_s": 4.5, "last_after_s": 5.0})
        );
        assert_eq!(groups[1]["count"], 1);
        assert_eq!(groups[2]["saw"], "nothing");
    }
}
