//! The advice.

use super::Plan;

/// As many connections as may wait to be accepted, the most that trackerd asks for.
const BACKLOG: u64 = 4096;

/// Room for some 10,000 requests, as many as come while a process waits for a busy CPU.
const RECEIVE_BUFFER: u64 = 4 << 20;

/// What the kernel takes of the room for one short datagram.
const DATAGRAM_COST: u64 = 832;

/// One thing that was looked at.
struct Finding {
    is_good: bool,
    fact: String,
    why: &'static str,
    /// Commands, in the order of their use.
    remedy: Vec<String>,
}

/// What is good and what to change, as a text; `read` returns what a file of the system says.
pub fn advise(plan: &Plan, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let findings = [
        open_files(plan),
        plan.connections_max.and_then(|_| backlog(&number)),
        plan.receive_buffer
            .and_then(|bytes| receive_buffer(bytes as u64, &number)),
        tracking(&plan.ports, &number),
    ];
    let mut text = String::new();
    for finding in findings.into_iter().flatten() {
        finding.tell(&mut text);
    }
    text += OF_NO_USE;
    Some(text)
}

impl Finding {
    fn tell(&self, text: &mut String) {
        let mark = if self.is_good { "ok    " } else { "change" };
        *text += &format!("{mark}  {}\n        {}\n", self.fact, self.why);
        for command in self.remedy.iter().filter(|_| !self.is_good) {
            *text += &format!("            {command}\n");
        }
    }
}

fn open_files(plan: &Plan) -> Option<Finding> {
    let wanted = plan.descriptors + plan.connections_max.unwrap_or(0);
    Some(Finding {
        is_good: plan.open_files >= wanted,
        fact: format!(
            "open files: {} are granted, {wanted} are needed",
            plan.open_files
        ),
        why: "Connections beyond are turned away, though http.connections_max allows them.",
        remedy: vec![
            format!("LimitNOFILE={wanted}    # in the unit of systemd, or"),
            format!("ulimit -Hn {wanted}     # in the shell that starts it, or"),
            "http.connections_max N    # fewer, in the configuration".into(),
        ],
    })
}

fn backlog(number: &impl Fn(&str) -> Option<u64>) -> Option<Finding> {
    let granted = number("/proc/sys/net/core/somaxconn")?;
    Some(Finding {
        is_good: granted >= BACKLOG,
        fact: format!("net.core.somaxconn: {granted}, and {BACKLOG} is enough"),
        why: "Of 6000 clients that came at once, 600 got in at once with 128, and all with 4096.",
        remedy: vec![format!("sysctl -w net.core.somaxconn={BACKLOG}")],
    })
}

/// `asked` is 0 where the configuration leaves it to the system.
fn receive_buffer(asked: u64, number: &impl Fn(&str) -> Option<u64>) -> Option<Finding> {
    let most = number("/proc/sys/net/core/rmem_max")?;
    let default = number("/proc/sys/net/core/rmem_default")?;
    // The kernel grants twice what is asked for, for its own needs, but the default as it is.
    let room = if asked == 0 {
        default
    } else {
        2 * asked.min(most)
    };
    let wanted = RECEIVE_BUFFER.max(asked);
    let mut remedy = Vec::new();
    if most < wanted {
        remedy.push(format!("sysctl -w net.core.rmem_max={wanted}"));
    }
    if asked == 0 {
        remedy.push(format!(
            "listen.udp.receive_buffer {wanted}    # in the configuration"
        ));
    }
    Some(Finding {
        is_good: remedy.is_empty(),
        fact: format!(
            "listen.udp.receive_buffer: room for {} requests that wait (net.core.rmem_max: {most})",
            room / DATAGRAM_COST
        ),
        why: "Of 20,000 that came while it waited for a CPU, 256 were answered with Linux's \
              default,\n        and 10,082 with 4 MB. A tracker with little to do needs none of \
              it.",
        remedy,
    })
}

fn tracking(ports: &[u16], number: &impl Fn(&str) -> Option<u64>) -> Option<Finding> {
    let tracked = number("/proc/sys/net/netfilter/nf_conntrack_count")?;
    let most = number("/proc/sys/net/netfilter/nf_conntrack_max")?;
    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
    let ports = ports.join(", ");
    let no_track = |chain, port| {
        format!(
            "nft add rule inet trackerd {chain} meta l4proto '{{ tcp, udp }}' \
             th {port} '{{ {ports} }}' notrack"
        )
    };
    Some(Finding {
        // A system that tracks tracks something.
        is_good: tracked == 0,
        fact: format!("connection tracking: {tracked} of {most} entries are taken"),
        why: "A firewall that tracks keeps an entry for each client for minutes; when none is \
              left, the\n        kernel drops packets of everybody. A tracker needs none of it.",
        remedy: vec![
            "nft add table inet trackerd".into(),
            "nft add chain inet trackerd in '{ type filter hook prerouting priority raw; }'".into(),
            "nft add chain inet trackerd out '{ type filter hook output priority raw; }'".into(),
            no_track("in", "dport"),
            no_track("out", "sport"),
            "# and let the firewall accept these ports without looking at the state".into(),
            "sysctl -w net.netfilter.nf_conntrack_max=524288    # otherwise".into(),
        ],
    })
}

/// bittracker's list, less what is above.
const OF_NO_USE: &str = "\n\
Often advised for servers, and of no use to a tracker:
  net.core.default_qdisc=fq, net.ipv4.tcp_congestion_control=bbr
        an answer fits the first packets, before there is any congestion to control
  net.ipv4.tcp_tw_reuse, net.ipv4.ip_local_port_range
        they are about connections that one makes, not about those that one accepts
  net.ipv4.tcp_fin_timeout
        is not about TIME_WAIT, and clients close their end when they have their answer
  net.ipv4.tcp_fastopen
        clients don't ask for it
  net.ipv4.tcp_max_syn_backlog, net.ipv4.tcp_syncookies
        cookies are on by default, and with them the length makes no difference (3000 clients
        at once all got in with 128 and with 8192)
  net.core.wmem_max
        an answer is sent at once, or dropped
  fs.file-max
        is far beyond what a process may open; the limit of the process counts
";

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            connections_max: Some(4000),
            receive_buffer: Some(0),
            descriptors: 50,
            open_files: 5000,
            ports: vec![80, 6969],
        }
    }

    /// What is advised on a system of these files.
    fn advised(plan: &Plan, files: &[(&str, &str)]) -> String {
        let read = |path: &str| {
            let name = path.rsplit('/').next()?;
            let file = files.iter().find(|(known, _)| *known == name)?;
            Some(format!("{}\n", file.1))
        };
        advise(plan, read).unwrap_or_default()
    }

    const LINUX: [(&str, &str); 3] = [
        ("somaxconn", "4096"),
        ("rmem_max", "212992"),
        ("rmem_default", "212992"),
    ];

    #[test]
    fn a_usual_system_has_little_room_for_datagrams() {
        let text = advised(&plan(), &LINUX);
        assert!(text.contains("ok      open files: 5000 are granted, 4050 are needed"));
        assert!(text.contains("ok      net.core.somaxconn: 4096"));
        assert!(text.contains("change  listen.udp.receive_buffer: room for 256 requests"));
        assert!(text.contains("sysctl -w net.core.rmem_max=4194304\n"));
        assert!(text.contains("listen.udp.receive_buffer 4194304 "));
        // It does not track.
        assert!(!text.contains("notrack"));
        assert!(text.contains("tcp_tw_reuse"));
    }

    #[test]
    fn what_is_granted_needs_no_command() {
        let plan = Plan {
            receive_buffer: Some(4 << 20),
            ..plan()
        };
        let mut files = LINUX;
        files[1] = ("rmem_max", "4194304");
        let text = advised(&plan, &files);
        assert!(!text.contains("change"), "{text}");
        assert!(!text.contains("sysctl -w"), "{text}");
        assert!(text.contains("room for 10082 requests"), "{text}");
    }

    #[test]
    fn what_lacks_is_named_with_its_command() {
        let plan = Plan {
            open_files: 1024,
            ..plan()
        };
        let files = [
            ("somaxconn", "128"),
            ("nf_conntrack_count", "17"),
            ("nf_conntrack_max", "262144"),
        ];
        let text = advised(&plan, &files);
        assert!(text.contains("LimitNOFILE=4050 "), "{text}");
        assert!(text.contains("sysctl -w net.core.somaxconn=4096"), "{text}");
        assert!(text.contains("17 of 262144 entries"), "{text}");
        assert!(text.contains("th dport '{ 80, 6969 }' notrack"), "{text}");
        // What can't be read is not guessed at.
        assert!(!text.contains("rmem_max="), "{text}");
    }

    #[test]
    fn what_is_not_served_needs_nothing() {
        let plan = Plan {
            connections_max: None,
            receive_buffer: None,
            ..plan()
        };
        let text = advised(&plan, &LINUX);
        assert!(text.contains("50 are needed"), "{text}");
        assert!(
            !text.contains("somaxconn:") && !text.contains("receive_buffer"),
            "{text}"
        );
    }
}
