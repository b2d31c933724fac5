//! What goes over the sockets of a worker: calls of the kernel, bytes, answers by status.

use crate::types::Family;

/// What is counted besides failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Flow {
    /// Connections closed.
    Closed,
    /// Connections closed with an answer unread.
    SendSkipped,
    /// Writes that left nothing unsent.
    Sent,
    /// Connections that the client closed between requests.
    Ended,
    /// Connections that ended within a request.
    Cut,
    /// Requests after which the connection may stay.
    KeepAlive,
    /// Requests after which it may not.
    NoKeepAlive,
    /// Bytes written to connections.
    SentBytes,
    /// Bytes read from connections.
    ReceivedBytes,
    /// Bytes in datagrams that the kernel took.
    SentBytesUdp,
    /// Bytes in datagrams received.
    ReceivedBytesUdp,
}

/// What becomes of a whole request by HTTP: once all is at rest there are as many
/// [`Asked`](Fate::Asked) as of the others together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fate {
    /// It came.
    Asked,
    /// It was answered, were it with a refusal.
    Answered,
    /// Its connection was closed before there was an answer.
    Unanswered,
}

const FATES: usize = Fate::Unanswered as usize + 1;

/// What comes of a handshake by HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Handshake {
    /// A new session.
    Whole,
    /// An earlier session that goes on.
    Resumed,
    /// Nothing: something was wrong, the client left or was silent before its end, or the tracker
    /// cut it, for want of room or at its own end.
    Failed,
}

const HANDSHAKES: usize = Handshake::Failed as usize + 1;

const FLOWS: usize = Flow::ReceivedBytesUdp as usize + 1;

/// A call of the kernel that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Of a connection.
    Close,
    /// To a connection.
    Send,
    /// From a connection.
    Receive,
    /// Of a connection.
    Accept,
    /// Of datagrams.
    SendUdp,
    /// Of datagrams.
    ReceiveUdp,
}

/// The statuses that are told apart; others count as the last.
pub const STATUSES: [u16; 16] = [
    101, 200, 302, 400, 401, 403, 404, 405, 408, 413, 414, 429, 431, 500, 503, 0,
];

/// Where the status stands in every answer: after `HTTP/1.1 `.
const STATUS_AT: std::ops::Range<usize> = 9..12;

/// The requests of one second, or the most there were in one, of both families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Whole requests by HTTP.
    pub tcp: [u64; 2],
    /// Datagrams.
    pub udp: [u64; 2],
}

/// The traffic of one worker, or the sum of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    flows: [u64; FLOWS],
    statuses: [u64; STATUSES.len()],
    /// What became of requests, of each family.
    fates: [[u64; 2]; FATES],
    /// What came of handshakes, of each family.
    handshakes: [[u64; 2]; HANDSHAKES],
    /// Seldom, and few: there are some hundred numbers of errors.
    errors: Vec<(Call, i32, u64)>,
    /// In the last second that is known of all workers; kept by one of them.
    pub last: Rates,
    /// The most there were in a second; kept by one of the workers.
    pub most: Rates,
}

impl Traffic {
    /// Counts so many.
    pub fn add(&mut self, flow: Flow, n: usize) {
        let count = &mut self.flows[flow as usize];
        *count = count.wrapping_add(n as u64);
    }

    /// Counts a whole request by HTTP.
    pub fn request(&mut self, family: Family, keep_alive: bool) {
        self.meet(family, Fate::Asked);
        let flow = if keep_alive {
            Flow::KeepAlive
        } else {
            Flow::NoKeepAlive
        };
        self.add(flow, 1);
    }

    /// Counts what became of a whole request by HTTP.
    pub fn meet(&mut self, family: Family, fate: Fate) {
        let count = &mut self.fates[fate as usize][family as usize];
        *count = count.wrapping_add(1);
    }

    /// Counts what came of a handshake.
    pub fn shake(&mut self, family: Family, handshake: Handshake) {
        let count = &mut self.handshakes[handshake as usize][family as usize];
        *count = count.wrapping_add(1);
    }

    /// Counts an answer by HTTP, whose beginning this is, by its status.
    pub fn answer(&mut self, bytes: &[u8]) {
        let digits = bytes.get(STATUS_AT).unwrap_or_default();
        let status = digits.iter().fold(0, |number: u16, digit| {
            number.wrapping_mul(10).wrapping_add(u16::from(digit & 15))
        });
        let known = STATUSES.iter().position(|known| *known == status);
        let count = &mut self.statuses[known.unwrap_or(STATUSES.len() - 1)];
        *count = count.wrapping_add(1);
    }

    /// Counts calls that failed with this number.
    pub fn fail(&mut self, call: Call, errno: i32, n: u64) {
        let known = self.errors.iter_mut().find(|e| (e.0, e.1) == (call, errno));
        match known {
            Some((.., count)) => *count = count.wrapping_add(n),
            None => self.errors.push((call, errno, n)),
        }
    }

    /// How often it came.
    pub fn of(&self, flow: Flow) -> u64 {
        self.flows[flow as usize]
    }

    /// Whole requests by HTTP, of each family.
    pub fn requests(&self) -> [u64; 2] {
        self.fate(Fate::Asked)
    }

    /// What became of them, of each family.
    pub fn fate(&self, fate: Fate) -> [u64; 2] {
        self.fates[fate as usize]
    }

    /// What came of handshakes, of each family.
    pub fn handshakes(&self, handshake: Handshake) -> [u64; 2] {
        self.handshakes[handshake as usize]
    }

    /// Answers by HTTP, each status with its count.
    pub fn statuses(&self) -> impl Iterator<Item = (u16, u64)> {
        STATUSES.into_iter().zip(self.statuses)
    }

    /// How a call failed, by number, with counts.
    pub fn failures(&self, call: Call) -> impl Iterator<Item = (i32, u64)> {
        let mut failures: Vec<_> = self.errors.iter().filter(|e| e.0 == call).collect();
        failures.sort_by_key(|e| e.1);
        failures.into_iter().map(|(_, errno, n)| (*errno, *n))
    }

    /// How often it failed.
    pub fn failed(&self, call: Call) -> u64 {
        self.failures(call)
            .fold(0, |sum, (_, n)| sum.wrapping_add(n))
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Traffic) {
        let own = self.flows.iter_mut().chain(&mut self.statuses);
        let own = own.chain(self.fates.as_flattened_mut());
        let own = own.chain(self.handshakes.as_flattened_mut());
        let others = other.flows.iter().chain(&other.statuses);
        let others = others.chain(other.fates.as_flattened());
        for (count, other) in own.zip(others.chain(other.handshakes.as_flattened())) {
            *count = count.wrapping_add(*other);
        }
        for (call, errno, n) in &other.errors {
            self.fail(*call, *errno, *n);
        }
        self.last.add(&other.last);
        self.most.add(&other.most);
    }
}

impl Rates {
    fn add(&mut self, other: &Rates) {
        let own = self.tcp.iter_mut().chain(&mut self.udp);
        for (count, other) in own.zip(other.tcp.iter().chain(&other.udp)) {
            *count += other;
        }
    }

    /// The larger of each.
    pub fn raise(&mut self, other: &Rates) {
        let own = self.tcp.iter_mut().chain(&mut self.udp);
        for (count, other) in own.zip(other.tcp.iter().chain(&other.udp)) {
            *count = (*count).max(*other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_adds_up() {
        let mut one = Traffic::default();
        one.add(Flow::SentBytes, 7);
        one.answer(b"HTTP/1.1 200 OK\r\n");
        one.answer(b"HTTP/1.1 418 I'm a teapot\r\n");
        one.answer(b"");
        one.fail(Call::Send, 32, 2);
        one.fail(Call::Send, 11, 1);
        one.request(Family::V6, true);
        one.shake(Family::V6, Handshake::Failed);
        let mut two = one.clone();
        two.fail(Call::Receive, 104, 1);
        two.request(Family::V6, false);
        two.meet(Family::V4, Fate::Unanswered);
        two.merge(&one);
        assert_eq!(two.of(Flow::SentBytes), 14);
        let count = |status| two.statuses().find(|(s, _)| *s == status).map(|(_, n)| n);
        assert_eq!(
            (count(200), count(404), count(0)),
            (Some(2), Some(0), Some(4))
        );
        assert_eq!(
            two.failures(Call::Send).collect::<Vec<_>>(),
            [(11, 2), (32, 4)]
        );
        assert_eq!(
            [Call::Send, Call::Receive, Call::Close].map(|c| two.failed(c)),
            [6, 1, 0]
        );
        assert_eq!(two.requests(), [0, 3]);
        assert_eq!(two.fate(Fate::Unanswered), [1, 0]);
        assert_eq!(two.handshakes(Handshake::Failed), [0, 2]);
        assert_eq!(two.handshakes(Handshake::Resumed), [0, 0]);
        assert_eq!((two.of(Flow::KeepAlive), two.of(Flow::NoKeepAlive)), (2, 1));
    }

    #[test]
    fn the_most_is_kept_of_each() {
        let mut most = Rates {
            tcp: [1, 5],
            udp: [0, 0],
        };
        most.raise(&Rates {
            tcp: [3, 2],
            udp: [7, 0],
        });
        assert_eq!(
            most,
            Rates {
                tcp: [3, 5],
                udp: [7, 0]
            }
        );
    }
}
