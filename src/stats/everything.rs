//! `/stats?mode=everything`: opentracker's XML, which exporters read.

use std::fmt::{Result, Write};

use crate::stats::modes::{HttpErrors, VERSION};
use crate::stats::{Count, Report};

/// Writes the document. Stalls, which opentracker counts here, are always 0.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = head(report, &mut out)
        .and_then(|()| connections(report, &mut out))
        .and_then(|()| debug(report, &mut out));
    out.push_str("</stats>");
    out
}

fn head(report: &Report, out: &mut String) -> Result {
    let sum = &report.sum;
    write!(
        out,
        r#"<?xml version="1.0" encoding="UTF-8"?>
<stats>
  <tracker_id>{}</tracker_id>
  <version>
{VERSION}  </version>
  <uptime>{}</uptime>
  <torrents>
    <count_mutex>{}</count_mutex>
    <count_iterator>{}</count_iterator>
  </torrents>
  <peers>
    <count>{}</count>
  </peers>
  <seeds>
    <count>{}</count>
  </seeds>
  <completed>
    <count>{}</count>
  </completed>
"#,
        report.tracker_id,
        report.uptime,
        sum.torrents,
        sum.torrents,
        sum.seeders + sum.leechers,
        sum.seeders,
        sum.completed,
    )
}

fn connections(report: &Report, out: &mut String) -> Result {
    let count = |what| report.sum.counters.total(what);
    write!(
        out,
        "  <connections>
    <tcp>
      <accept>{}</accept>
      <announce>{}</announce>
      <scrape>{}</scrape>
    </tcp>
    <udp>
      <overall>{}</overall>
      <connect>{}</connect>
      <announce>{}</announce>
      <scrape>{}</scrape>
      <missmatch>{}</missmatch>
    </udp>
    <livesync>
      <count>{}</count>
    </livesync>
  </connections>
",
        count(Count::TcpAccept),
        count(Count::HttpAnnounce),
        count(Count::HttpScrape),
        count(Count::UdpReceived),
        count(Count::UdpConnect),
        count(Count::UdpAnnounce),
        count(Count::UdpScrape),
        count(Count::UdpMismatch),
        count(Count::SyncRecord),
    )
}

fn debug(report: &Report, out: &mut String) -> Result {
    out.push_str("  <debug>\n    <renew>\n");
    for (minutes, n) in report.sum.renewals.0.iter().enumerate() {
        writeln!(out, r#"      <count interval="{minutes:02}">{n}</count>"#)?;
    }
    out.push_str("    </renew>\n    <http_error>\n");
    let errors = HttpErrors::of(&report.sum);
    for (code, n) in [
        ("302 Redirect", errors.redirect),
        ("400 Parse Error", errors.malformed),
        ("400 Invalid Parameter", errors.invalid),
        ("400 Invalid Parameter (compact=0)", 0),
        ("400 Not Modest", errors.too_soon),
        ("402 Payment Required", 0),
        ("403 Access Denied", errors.forbidden),
        ("404 Not found", errors.not_found),
        ("500 Internal Server Error", errors.unavailable),
    ] {
        writeln!(out, r#"      <count code="{code}">{n}</count>"#)?;
    }
    out.push_str("    </http_error>\n    <mutex_stall>\n");
    out.push_str("      <count>0</count>\n    </mutex_stall>\n  </debug>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::modes::tests::report;

    const GOLDEN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<stats>
  <tracker_id>1425551024</tracker_id>
  <version>
trackerd VERSION
  </version>
  <uptime>67</uptime>
  <torrents>
    <count_mutex>1</count_mutex>
    <count_iterator>1</count_iterator>
  </torrents>
  <peers>
    <count>8</count>
  </peers>
  <seeds>
    <count>2</count>
  </seeds>
  <completed>
    <count>1</count>
  </completed>
  <connections>
    <tcp>
      <accept>65</accept>
      <announce>29</announce>
      <scrape>6</scrape>
    </tcp>
    <udp>
      <overall>34</overall>
      <connect>8</connect>
      <announce>10</announce>
      <scrape>0</scrape>
      <missmatch>7</missmatch>
    </udp>
    <livesync>
      <count>13</count>
    </livesync>
  </connections>
  <debug>
    <renew>
      <count interval="00">16</count>
RENEW      <count interval="44">2</count>
    </renew>
    <http_error>
      <count code="302 Redirect">2</count>
      <count code="400 Parse Error">4</count>
      <count code="400 Invalid Parameter">16</count>
      <count code="400 Invalid Parameter (compact=0)">0</count>
      <count code="400 Not Modest">9</count>
      <count code="402 Payment Required">0</count>
      <count code="403 Access Denied">5</count>
      <count code="404 Not found">12</count>
      <count code="500 Internal Server Error">3</count>
    </http_error>
    <mutex_stall>
      <count>0</count>
    </mutex_stall>
  </debug>
</stats>"#;

    #[test]
    fn the_document_is_that_of_opentracker() {
        let renew: String = (1..44)
            .map(|n| format!("      <count interval=\"{n:02}\">0</count>\n"))
            .collect();
        let golden = GOLDEN
            .replace("VERSION", env!("CARGO_PKG_VERSION"))
            .replace("RENEW", &renew);
        assert_eq!(text(&report()), golden);
    }
}
