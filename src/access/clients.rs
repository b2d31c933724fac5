//! Which programs may announce: by the beginning of their peer id, or of their User-Agent.

use super::Reason;

/// Rules about programs. Who is denied is refused, whatever else allows it; where some are
/// allowed, all others are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Beginnings of peer ids, such as `-qB4`, byte by byte.
    pub ids: Rule,
    /// Beginnings of User-Agents, in any case. There is none over UDP, where this is not asked.
    pub agents: Rule,
    /// What those are told who are refused; empty for the usual words.
    pub text: String,
}

/// What is allowed and what is denied of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// If there is any, nothing else is allowed.
    pub allow: Vec<Vec<u8>>,
    /// What is not.
    pub deny: Vec<Vec<u8>>,
}

impl Clients {
    /// Whether everybody may announce.
    pub fn is_open(&self) -> bool {
        self.ids.is_open() && self.agents.is_open()
    }

    /// What a client is told that is refused.
    pub fn words(&self, reason: Reason) -> &str {
        match reason {
            Reason::Program if !self.text.is_empty() => &self.text,
            _ => reason.text(),
        }
    }

    /// Whether a program may that has this peer id; by HTTP it need not have one.
    pub fn allow_id(&self, peer_id: Option<&[u8; 20]>) -> bool {
        let id = peer_id.map_or(&[][..], |id| id);
        self.ids.allows(|prefix| id.starts_with(prefix))
    }

    /// Whether a program may that says this of itself, or by HTTP nothing.
    pub fn allow_agent(&self, agent: Option<&[u8]>) -> bool {
        let agent = agent.unwrap_or_default();
        self.agents.allows(|prefix| {
            let begin = agent.get(..prefix.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
        })
    }
}

impl Rule {
    /// Whether there is nothing to say about anybody.
    pub fn is_open(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    fn allows(&self, begins: impl Fn(&[u8]) -> bool) -> bool {
        let any = |prefixes: &[Vec<u8>]| prefixes.iter().any(|prefix| begins(prefix));
        !any(&self.deny) && (self.allow.is_empty() || any(&self.allow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: &[&str], deny: &[&str]) -> Rule {
        let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        Rule {
            allow: bytes(allow),
            deny: bytes(deny),
        }
    }

    #[test]
    fn peer_ids_are_told_by_their_beginning() {
        let clients = |allow: &[&str], deny: &[&str]| Clients {
            ids: rule(allow, deny),
            ..Clients::default()
        };
        let (good, bad) = (Some(b"-qB4500-abcdefghijkl"), Some(b"-XL0012-abcdefghijkl"));
        assert!(Clients::default().is_open() && Clients::default().allow_id(None));
        let denying = clients(&[], &["-XL", "-SD"]);
        assert!(denying.allow_id(good) && !denying.allow_id(bad) && denying.allow_id(None));
        let allowing = clients(&["-TR", "-qB4"], &[]);
        assert!(allowing.allow_id(good) && !allowing.allow_id(bad) && !allowing.allow_id(None));
        assert!(!clients(&["-qb4"], &[]).allow_id(good));
        let both = clients(&["-qB"], &["-qB45"]);
        assert!(!both.allow_id(good) && both.allow_id(Some(b"-qB4600-abcdefghijkl")));
    }

    #[test]
    fn agents_are_told_by_their_beginning_in_any_case() {
        let clients = Clients {
            agents: rule(&[], &["xunlei", "Mozilla/"]),
            ..Clients::default()
        };
        assert!(!clients.is_open());
        assert!(!clients.allow_agent(Some(b"Xunlei/0.0.1")));
        assert!(!clients.allow_agent(Some(b"mozilla/5.0 (X11)")));
        assert!(clients.allow_agent(Some(b"Transmission/4.0")));
        assert!(clients.allow_agent(Some(b"xun")) && clients.allow_agent(None));
        let clients = Clients {
            agents: rule(&["Transmission/"], &[]),
            ..Clients::default()
        };
        assert!(!clients.allow_agent(None) && clients.allow_agent(Some(b"transmission/4")));
    }
}
