//! What the kernel knows about the server's process: CPU time and memory.
//!
//! Reads `/proc` of the one process it is given; Linux only. It must not touch the server
//! in any other way: a server that answers questions about itself would be measured answering them.

use std::{fs, time::Duration};

use crate::error::LoadError;

/// `/proc/PID/stat` counts in hundredths of a second on every Linux in use (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// The server's process.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Its id.
    pub pid: u32,
}

/// CPU time spent so far, counted twice.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    /// Sum over the living threads, to the nanosecond. Threads that ended in between are missing.
    pub threads: Duration,
    /// The process's own sum, ended threads included, to 10 ms.
    pub ticks: Duration,
}

impl Cpu {
    /// What was spent between `earlier` and this.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            threads: self.threads - earlier.threads,
            ticks: self.ticks - earlier.ticks,
        }
    }
}

/// Resident memory in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Everything, the program's own pages included.
    pub total: u64,
    /// Heap and stacks alone.
    pub anonymous: u64,
}

impl Process {
    fn read(self, name: &str) -> Result<String, LoadError> {
        fs::read_to_string(format!("/proc/{}/{name}", self.pid))
            .map_err(|error| self.missing(&format!("{name}: {error}")))
    }

    fn missing(self, what: &str) -> LoadError {
        LoadError::Process {
            pid: self.pid,
            what: what.to_owned(),
        }
    }

    /// CPU time so far. Exact while the server is idle: the time slice that runs is added when it
    /// ends.
    pub fn cpu(self) -> Result<Cpu, LoadError> {
        let stat = self.read("stat")?;
        let ticks = ticks(&stat).ok_or_else(|| self.missing("stat: no utime and stime"))?;
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid))
            .map_err(LoadError::io("list threads"))?;
        let mut nanos = 0;
        for task in tasks.flatten() {
            // A thread may end between the listing and the reading: it then counts as one that
            // ended before.
            if let Ok(text) = fs::read_to_string(task.path().join("schedstat")) {
                nanos += text
                    .split_whitespace()
                    .next()
                    .and_then(|word| word.parse::<u64>().ok())
                    .unwrap_or(0);
            }
        }
        let ticks = TICK * ticks;
        // A kernel without schedstat says nothing or zero; then the ticks are all there is.
        let threads = if nanos == 0 {
            ticks
        } else {
            Duration::from_nanos(nanos)
        };
        Ok(Cpu { threads, ticks })
    }

    /// Resident memory now.
    pub fn resident(self) -> Result<Resident, LoadError> {
        let status = self.read("status")?;
        let field = |name| kib(&status, name).ok_or_else(|| self.missing(name));
        Ok(Resident {
            total: field("VmRSS:")?,
            anonymous: field("RssAnon:")?,
        })
    }
}

/// CPU time that the whole machine has spent so far, on all cores, time stolen by its host
/// included.
///
/// Less the server's and our own, it is what others took in the meantime: a measurement's
/// neighbours.
pub fn machine_busy() -> Result<Duration, LoadError> {
    let stat = fs::read_to_string("/proc/stat").map_err(LoadError::io("read /proc/stat"))?;
    Ok(TICK * busy_ticks(&stat).unwrap_or(0))
}

/// user, nice, system, (idle, iowait,) irq, softirq, steal; guest time is in user already.
fn busy_ticks(stat: &str) -> Option<u32> {
    let fields = stat.strip_prefix("cpu ")?.lines().next()?;
    let ticks: Vec<u32> = fields.split_whitespace().flat_map(str::parse).collect();
    let busy = [0, 1, 2, 5, 6, 7];
    Some(busy.iter().filter_map(|&place| ticks.get(place)).sum())
}

/// `utime + stime`. The name before them is in parentheses and may itself contain spaces and
/// parentheses.
fn ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_shift_its_fields() {
        let stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 4 0";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("nothing"), None);
    }

    #[test]
    fn idle_and_waiting_cores_are_not_busy() {
        let stat = "cpu  1 2 4 1000 1000 8 16 32 64 64\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(busy_ticks(stat), Some(63));
        assert_eq!(busy_ticks("intr 1"), None);
    }

    #[test]
    fn this_very_process_has_memory_and_has_used_the_cpu() {
        let me = Process {
            pid: std::process::id(),
        };
        let before = me.cpu().unwrap();
        let mut sum = 0u64;
        while me.cpu().unwrap().threads < before.threads + Duration::from_millis(5) {
            sum = sum.wrapping_mul(31).wrapping_add(std::hint::black_box(7));
        }
        std::hint::black_box(sum);
        let resident = me.resident().unwrap();
        assert!(resident.total >= resident.anonymous && resident.anonymous > 0);
        assert!(Process { pid: u32::MAX }.cpu().is_err());
    }
}
