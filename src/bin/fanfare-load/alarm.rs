//! A timer to the microsecond: epoll's own counts milliseconds, which would be a part of what is
//! measured.

use std::time::Duration;

use mio::{Registry, Token};

use crate::error::LoadError;

/// At the latest so long after the last look, the loop looks again.
const LOOK: Duration = Duration::from_millis(100);
/// What epoll's own timer is exact enough for.
const COARSE: Duration = Duration::from_millis(20);

#[cfg(target_os = "linux")]
pub(crate) use linux::Alarm;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsFd as _, AsRawFd as _};

    use mio::{Interest, unix::SourceFd};
    use nix::sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    };

    use super::{COARSE, Duration, LOOK, LoadError, Registry, Token};

    /// A timer of the kernel's.
    pub(crate) struct Alarm {
        timer: TimerFd,
    }

    impl Alarm {
        pub(crate) fn new(registry: &Registry, token: Token) -> Result<Self, LoadError> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)
                .map_err(|error| LoadError::io("a timer")(error.into()))?;
            let descriptor = timer.as_fd().as_raw_fd();
            registry
                .register(&mut SourceFd(&descriptor), token, Interest::READABLE)
                .map_err(LoadError::io("watch the timer"))?;
            Ok(Self { timer })
        }

        /// Arms it, where that is worth it, and says how long epoll may wait.
        pub(crate) fn set(&self, micros: u64) -> Result<Duration, LoadError> {
            let span = Duration::from_micros(micros);
            if span.is_zero() || span > COARSE {
                return Ok(span.saturating_sub(COARSE / 2).min(LOOK));
            }
            let expiration = Expiration::OneShot(TimeSpec::from_duration(span));
            self.timer
                .set(expiration, TimerSetTimeFlags::empty())
                .map_err(|error| LoadError::io("set a timer")(error.into()))?;
            Ok(LOOK)
        }
    }
}

/// Elsewhere epoll's like have to do.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(crate) fn new(_registry: &Registry, _token: Token) -> Result<Self, LoadError> {
        Ok(Self)
    }

    pub(crate) fn set(&self, micros: u64) -> Result<Duration, LoadError> {
        Ok(Duration::from_micros(micros).min(LOOK))
    }
}
