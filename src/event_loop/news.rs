//! What the kernel tells of its own accord: interfaces and addresses that come and go, and that the machine woke up.
//!
//! A netlink socket says that something about the interfaces has changed; what it was, [`lan`](super::lan) sees for
//! itself, so what the socket says is thrown away unread. A timer that goes on while the machine sleeps rings at once
//! when it wakes up, if its time has come meanwhile. Where the system has neither, or grants neither, nothing is said
//! about it: the event loop looks now and then anyway.

use mio::{Registry, Token};
use std::io;
use std::time::Duration;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use silent as system;

/// The two descriptors, those that there are.
#[derive(Debug)]
pub(super) struct News {
    interfaces: Option<system::Fd>,
    alarm: Option<system::Fd>,
}

impl News {
    /// Asks to be told: of the interfaces under the token `interfaces`, of the alarm under `alarm`.
    pub(super) fn open(registry: &Registry, interfaces: Token, alarm: Token) -> News {
        News {
            interfaces: heard("interfaces", system::interfaces(registry, interfaces)),
            alarm: heard("waking up", system::alarm(registry, alarm)),
        }
    }

    /// Takes the news of interfaces that have come, unread, so that the next will be told.
    pub(super) fn take(&self) {
        if let Some(interfaces) = &self.interfaces {
            system::take(interfaces);
        }
    }

    /// Rings once, when this much time has passed, asleep or awake. What was set before no longer holds.
    pub(super) fn set_alarm(&self, after: Duration) {
        if let Some(Err(error)) = self.alarm.as_ref().map(|alarm| system::set(alarm, after)) {
            log::debug!("cannot set the alarm: {error}");
        }
    }
}

fn heard<T>(what: &str, opened: io::Result<T>) -> Option<T> {
    opened.inspect_err(|error| log::debug!("the system does not tell of {what}: {error}")).ok()
}

#[cfg(target_os = "linux")]
mod linux {
    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::time::Duration;

    pub(super) type Fd = OwnedFd;

    /// The groups of `linux/rtnetlink.h`: `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV6_IFADDR`.
    const GROUPS: u32 = 0x1 | 0x10 | 0x100;

    /// News taken at once. More make us look again; what they say is the same.
    const TAKEN_MAX: usize = 256;

    pub(super) fn interfaces(registry: &Registry, token: Token) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol it is that of interfaces, addresses and routes.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
        Ok(socket)
    }

    pub(super) fn alarm(registry: &Registry, token: Token) -> io::Result<OwnedFd> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(timer)
    }

    pub(super) fn take(socket: &OwnedFd) {
        for _ in 0..TAKEN_MAX {
            // What does not fit is cut off. That there was too much for the system to keep is an error, and news too.
            match recv(socket, &mut [0; 16], RecvFlags::empty()) {
                Ok(_) | Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    pub(super) fn set(timer: &OwnedFd, after: Duration) -> io::Result<()> {
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Nothing at all would stop the timer.
        let after = after.max(Duration::from_nanos(1));
        let after = Timespec::try_from(after).map_err(io::Error::other)?;
        let times = Itimerspec { it_interval: never, it_value: after };
        // Setting it also forgets that it has rung, so it need not be read.
        timerfd_settime(timer, TimerfdTimerFlags::empty(), &times)?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod silent {
    use mio::{Registry, Token};
    use std::convert::Infallible;
    use std::io;
    use std::time::Duration;

    pub(super) type Fd = Infallible;

    pub(super) fn interfaces(_: &Registry, _: Token) -> io::Result<Fd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn alarm(_: &Registry, _: Token) -> io::Result<Fd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn take(_: &Fd) {}

    pub(super) fn set(_: &Fd, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use mio::{Events, Poll};

    const INTERFACES: Token = Token(7);
    const ALARM: Token = Token(8);

    /// The tokens that have something to say within this time.
    fn wait(poll: &mut Poll, most: Duration) -> Vec<Token> {
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(most)).unwrap();
        let tokens = events.iter().map(mio::event::Event::token);
        tokens.filter(|token| *token == ALARM).collect()
    }

    #[test]
    fn the_alarm_rings_once_each_time_it_is_set_and_only_when_it_was_set_last() {
        let mut poll = Poll::new().unwrap();
        let news = News::open(poll.registry(), INTERFACES, ALARM);
        for after in [Duration::from_millis(1), Duration::ZERO] {
            news.set_alarm(Duration::from_secs(3_600));
            news.set_alarm(after);
            assert_eq!(wait(&mut poll, Duration::from_secs(30)), [ALARM]);
            assert_eq!(wait(&mut poll, Duration::from_millis(50)), []);
        }
    }

    #[test]
    fn taking_news_where_there_are_none_takes_no_time() {
        let poll = Poll::new().unwrap();
        let news = News::open(poll.registry(), INTERFACES, ALARM);
        assert!(news.interfaces.is_some());
        news.take();
    }
}
