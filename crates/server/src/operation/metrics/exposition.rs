//! The text of OpenMetrics 1.0.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>): only what we have, which is
//! whole numbers with a few fixed labels.

/// The type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows, from zero at the start.
    Counter,
    /// As it is now.
    Gauge,
    /// Facts that are labels.
    Info,
}

/// The unit of a family's numbers, which its name ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things.
    None,
    Bytes,
    Seconds,
}

/// Numbers of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    /// A sentence.
    pub(crate) help: &'static str,
    /// A number for each value of the label; the label's name and value are empty when there is only one.
    pub(crate) samples: Vec<(Label, u64)>,
}

/// A label and its value. Nothing that a person chose ever becomes one.
pub(crate) type Label = (&'static str, &'static str);

/// No label.
pub(crate) const PLAIN: Label = ("", "");

/// All families as one text.
///
/// `exposition = metricset HASH SP eof [ LF ]`
pub(crate) fn write(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        write_family(&mut text, family);
    }
    text.push_str("# EOF\n");
    text
}

fn write_family(text: &mut String, family: &Family) {
    let Family { name, kind, unit, help, samples } = family;
    let (kind, suffix) = match kind {
        Kind::Counter => ("counter", "_total"),
        Kind::Gauge => ("gauge", ""),
        Kind::Info => ("info", "_info"),
    };
    text.push_str(&format!("# TYPE {name} {kind}\n"));
    match unit {
        Unit::None => {}
        Unit::Bytes => text.push_str(&format!("# UNIT {name} bytes\n")),
        Unit::Seconds => text.push_str(&format!("# UNIT {name} seconds\n")),
    }
    text.push_str(&format!("# HELP {name} {}\n", escaped(help)));
    for (label, value) in samples {
        let label = match label {
            ("", _) => String::new(),
            (name, value) => format!("{{{name}=\"{}\"}}", escaped(value)),
        };
        text.push_str(&format!("{name}{suffix}{label} {value}\n"));
    }
}

/// escaped-string = *escaped-char
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use crate::operation::metrics::exposition::{Family, Kind, PLAIN, Unit, write};

    #[test]
    fn families_are_written_as_the_specification_has_it() {
        let counter = Family {
            name: "tea_cups",
            kind: Kind::Counter,
            unit: Unit::None,
            help: "Cups of \"tea\".",
            samples: vec![(("kind", "black\\green"), 3), (("kind", "none"), 0)],
        };
        let gauge = Family {
            name: "tea_water_bytes",
            kind: Kind::Gauge,
            unit: Unit::Bytes,
            help: "As if.",
            samples: vec![(PLAIN, u64::MAX)],
        };
        let info = Family {
            name: "tea",
            kind: Kind::Info,
            unit: Unit::None,
            help: "About.",
            samples: vec![(("leaf", "whole"), 1)],
        };
        let expected = "\
# TYPE tea_cups counter
# HELP tea_cups Cups of \\\"tea\\\".
tea_cups_total{kind=\"black\\\\green\"} 3
tea_cups_total{kind=\"none\"} 0
# TYPE tea_water_bytes gauge
# UNIT tea_water_bytes bytes
# HELP tea_water_bytes As if.
tea_water_bytes 18446744073709551615
# TYPE tea info
# HELP tea About.
tea_info{leaf=\"whole\"} 1
# EOF
";
        assert_eq!(write(&[counter, gauge, info]), expected);
        assert_eq!(write(&[]), "# EOF\n");
    }
}
