//! Whether the certificate that clients are shown is valid, and for how long.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_gateway::config::Config;
use portcullis_gateway::tls::{ClientAuthorities, ServerCertificate};
use x509_parser::parse_x509_certificate;

use super::finding::Finding;

const ABOUT: &str = "certificate";
const DAY: i64 = 86_400;
/// From when on the year says more than days do, in days.
const YEARS: i64 = 3653;
/// When to say that it ends soon, in days.
const SOON: i64 = 30;

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    if let Err(error) = ClientAuthorities::load(config) {
        findings.push(
            Finding::bad("tls.client_authorities", error.to_string())
                .why("no client can prove itself by a certificate")
                .mend("put the authorities' certificates there, in PEM form"),
        );
    }
    let generated: PathBuf = config.state.join("server.crt");
    if config.tls.files.is_none() && !generated.exists() {
        findings.push(Finding::good(ABOUT, "one is generated when `serve` first starts").mend(
            "clients that should verify it need one from an authority: `certificate` and `key` under `[tls]`",
        ));
        return;
    }
    let certificate = match ServerCertificate::load(config) {
        Ok(certificate) => certificate,
        Err(error) => {
            findings.push(Finding::bad(ABOUT, error.to_string()).why("`serve` does not start without it"));
            return;
        }
    };
    let Some(own) = certificate.chain.first() else { return };
    let Ok((_, parsed)) = parse_x509_certificate(own) else {
        findings.push(Finding::bad(ABOUT, "it is no X.509 certificate").why("clients refuse it"));
        return;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let year = validity.not_after.to_datetime().year();
    findings.push(judge(now, from, until, year, &certificate.fingerprint));
    if let Err(error) = certificate.server_config() {
        findings.push(Finding::bad(ABOUT, error.to_string()).why("`serve` does not start with it"));
    }
}

fn judge(now: i64, from: i64, until: i64, year: i32, fingerprint: &str) -> Finding {
    let days = until.saturating_sub(now) / DAY;
    if now < from {
        return Finding::bad(
            ABOUT,
            format!("it is not valid before {} days from now", (from - now) / DAY + 1),
        )
        .why("clients that verify it refuse the connection")
        .mend("look at the clock, or at the certificate");
    }
    if now > until {
        return Finding::bad(ABOUT, format!("it ended {} days ago", (now - until) / DAY))
            .why("clients that verify it refuse the connection")
            .mend("renew it, then `portcullis reload`");
    }
    if days < SOON {
        return Finding::warning(ABOUT, format!("it ends in {days} days"))
            .why("clients that verify it will refuse the connection")
            .mend("renew it, then `portcullis reload`");
    }
    Finding::good(ABOUT, format!("valid {}, SHA-256 {fingerprint}", span(days, year)))
}

/// For how long, in words: days, or the year where that says more.
fn span(days: i64, year: i32) -> String {
    if days > YEARS { format!("until the year {year}") } else { format!("for {days} days") }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    #[test]
    fn a_far_end_is_told_by_its_year() {
        assert_eq!(span(90, 1970), "for 90 days");
        assert_eq!(span(755_723, 4095), "until the year 4095");
    }

    #[test]
    fn an_end_is_told_in_time() {
        let at = |now: i64| judge(now * DAY, 10 * DAY, 100 * DAY, 1970, "AB").grade;
        assert_eq!(
            [at(9), at(10), at(70), at(71), at(100), at(101)],
            [Grade::Bad, Grade::Good, Grade::Good, Grade::Warning, Grade::Warning, Grade::Bad]
        );
    }
}
