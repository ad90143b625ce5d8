//! What the kernel knows of processes: CPU time and memory. Linux; elsewhere there is nothing to
//! read, which is said.
//!
//! It must not touch a server in any other way: one that answers questions about itself would be
//! measured answering them.

use std::{collections::BTreeMap, fs, time::Duration};

use crate::error::LoadError;

/// `/proc/PID/stat` counts in hundredths of a second on every Linux in use (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// CPU time so far of one or several processes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpu {
    /// Sum over the threads, to the nanosecond.
    pub total: Duration,
    /// By thread; those that ended are missing.
    pub threads: BTreeMap<u32, Duration>,
    /// Time for which threads had to wait for a core.
    pub waited: Duration,
    /// Ticks sampled outside the kernel.
    pub user_ticks: u32,
    /// All ticks sampled.
    pub ticks: u32,
}

impl Cpu {
    /// Of some processes. Exact while they are idle: a time slice is added when it ends.
    pub(crate) fn of(pids: &[u32]) -> Result<Self, LoadError> {
        let mut cpu = Self::default();
        for pid in pids {
            cpu.add(*pid)?;
        }
        Ok(cpu)
    }

    fn add(&mut self, pid: u32) -> Result<(), LoadError> {
        let stat = read(pid, "stat")?;
        let (user, system) =
            ticks(&stat).ok_or_else(|| missing(pid, "stat: no utime and stime"))?;
        self.user_ticks += user;
        self.ticks += user + system;
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .map_err(|error| missing(pid, &format!("task: {error}")))?;
        let mut sum = Duration::ZERO;
        for task in tasks.flatten() {
            let number = task.file_name().to_string_lossy().parse().unwrap_or(0);
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let mut words = text
                .split_whitespace()
                .map(|word| word.parse().unwrap_or(0));
            let mut nanos = || Duration::from_nanos(words.next().unwrap_or(0));
            let (ran, waited) = (nanos(), nanos());
            sum += ran;
            self.waited += waited;
            self.threads.insert(number, ran);
        }
        // A kernel without schedstat says nothing or zero; then the ticks are all there is.
        self.total += if sum.is_zero() {
            TICK * (user + system)
        } else {
            sum
        };
        Ok(())
    }

    /// What was spent since.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let threads = self.threads.iter().map(|(thread, spent)| {
            let before = before.threads.get(thread).copied().unwrap_or_default();
            (*thread, spent.saturating_sub(before))
        });
        Self {
            total: self.total.saturating_sub(before.total),
            threads: threads.collect(),
            waited: self.waited.saturating_sub(before.waited),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            ticks: self.ticks.saturating_sub(before.ticks),
        }
    }

    /// Time outside the kernel: the sampled share of the exact time.
    pub(crate) fn user(&self) -> Duration {
        self.total
            .mul_f64(f64::from(self.user_ticks) / f64::from(self.ticks.max(1)))
    }

    /// The time of the busiest thread.
    pub(crate) fn busiest(&self) -> Duration {
        self.threads.values().copied().max().unwrap_or_default()
    }
}

/// Memory of some processes in KiB, shared pages counted by their share.
pub(crate) fn pss(pids: &[u32]) -> Result<u64, LoadError> {
    let mut sum = 0;
    for pid in pids {
        let rollup = read(*pid, "smaps_rollup")?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        sum += kib.ok_or_else(|| missing(*pid, "smaps_rollup: no Pss"))?;
    }
    Ok(sum)
}

/// CPU time that the whole machine has spent, time stolen by its host included. Less the servers'
/// and our own, it is what others took.
pub(crate) fn machine() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    TICK * busy_ticks(&stat).unwrap_or(0)
}

/// user, nice, system, (idle, iowait,) irq, softirq, steal; guest time is in user already.
fn busy_ticks(stat: &str) -> Option<u32> {
    let fields = stat.strip_prefix("cpu ")?.lines().next()?;
    let ticks: Vec<u32> = fields.split_whitespace().flat_map(str::parse).collect();
    let busy = [0, 1, 2, 5, 6, 7];
    Some(busy.iter().filter_map(|&place| ticks.get(place)).sum())
}

fn read(pid: u32, name: &str) -> Result<String, LoadError> {
    fs::read_to_string(format!("/proc/{pid}/{name}"))
        .map_err(|error| missing(pid, &format!("{name}: {error}")))
}

fn missing(pid: u32, what: &str) -> LoadError {
    LoadError::Process {
        pid,
        what: what.to_owned(),
    }
}

/// `utime` and `stime`. The name before them is in parentheses and may contain some itself.
fn ticks(stat: &str) -> Option<(u32, u32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user = fields.next()?.parse().ok()?;
    let system = fields.next()?.parse().ok()?;
    Some((user, system))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_shift_its_fields() {
        let stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 4 0";
        assert_eq!(ticks(stat), Some((250, 50)));
        assert_eq!(ticks("nothing"), None);
    }

    #[test]
    fn idle_and_waiting_cores_are_not_busy() {
        let stat = "cpu  1 2 4 1000 1000 8 16 32 64 64\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(busy_ticks(stat), Some(63));
        assert_eq!(busy_ticks("intr 1"), None);
    }

    #[test]
    fn user_time_is_the_sampled_share_of_the_exact_time() {
        let cpu = Cpu {
            total: Duration::from_millis(800),
            user_ticks: 10,
            ticks: 40,
            ..Cpu::default()
        };
        assert_eq!(cpu.user(), Duration::from_millis(200));
        assert_eq!(Cpu::default().user(), Duration::ZERO);
    }
}
