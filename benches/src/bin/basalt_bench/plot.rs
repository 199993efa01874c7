//! Plots of a run as one SVG: rate and latency second by second, and the latency's curve.

use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, BLUE, ChartBuilder, Color as _, DrawingArea, GREEN, IntoDrawingArea as _, IntoLogRange as _,
    LineSeries, PathElement, RED, RGBColor, SVGBackend, WHITE,
};

use crate::report::Report;

const SIZE: (u32, u32) = (900, 1080);
const FONT: (&str, u32) = ("sans-serif", 16);
/// Latencies are drawn from here on, on a logarithmic scale.
const LATENCY_US_MIN: f64 = 1.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;
/// A line: its name, its colour, its points.
type Line = (&'static str, RGBColor, Vec<(f64, f64)>);

/// The plots of a report.
pub(crate) fn svg(report: &Report) -> Result<String, String> {
    let mut svg = String::new();
    draw(report, &mut svg).map_err(|error| format!("the plot could not be drawn: {error}"))?;
    Ok(svg)
}

fn draw(report: &Report, svg: &mut String) -> Drawn {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.split_evenly((3, 1));
    let [rate, latency, curve] = areas.as_slice() else { unreachable!("it was split into three") };
    let at = |value: fn(&crate::clients::Second) -> f64| -> Vec<(f64, f64)> {
        report.seconds.iter().map(|second| (second.at_s, value(second))).collect()
    };
    draw_rate(rate, at(|second| second.rate))?;
    let lines = [
        ("p50", GREEN, at(|second| second.p50_us)),
        ("p99", BLUE, at(|second| second.p99_us)),
        ("longest", RED, at(|second| second.max_us)),
    ];
    draw_latency(latency, "latency (us) by second", "seconds", lines.to_vec())?;
    // Nines are spread evenly: 0.9 is 1, 0.99 is 2.
    let nines = |quantile: f64| -(1.0 - quantile.min(0.99999)).log10();
    let curve_points = report.curve.iter().map(|(quantile, us)| (nines(*quantile), *us)).collect();
    draw_latency(
        curve,
        "latency (us) by quantile",
        "nines of the quantile",
        vec![("all", BLUE, curve_points)],
    )?;
    root.present()?;
    Ok(())
}

fn draw_rate(area: &Area<'_>, points: Vec<(f64, f64)>) -> Drawn {
    let most = points.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("operations a second", FONT)
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..last(&points), 0.0..most * 1.1)?;
    chart.configure_mesh().x_desc("seconds").draw()?;
    chart.draw_series(LineSeries::new(points, &BLUE))?;
    Ok(())
}

fn draw_latency(area: &Area<'_>, caption: &str, across: &str, lines: Vec<Line>) -> Drawn {
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    let most = all().map(|(_, us)| *us).fold(10.0 * LATENCY_US_MIN, f64::max);
    let end = lines.iter().map(|(_, _, points)| last(points)).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(caption, FONT)
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..end, (LATENCY_US_MIN..most * 2.0).log_scale())?;
    chart.configure_mesh().x_desc(across).draw()?;
    for (name, colour, points) in lines {
        let points = points.into_iter().map(|(at, us)| (at, us.max(LATENCY_US_MIN)));
        let series = chart.draw_series(LineSeries::new(points, &colour))?.label(name);
        series.legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE.filled()).draw()?;
    Ok(())
}

/// Where the axis ends.
fn last(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|(at, _)| *at).fold(1.0, f64::max)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use basalt_benches::report::latency_histogram;

    use super::*;
    use crate::clients::{Course, Second};

    #[test]
    fn a_run_is_drawn_with_all_its_lines() {
        let mut sums: crate::clients::Latencies = std::array::from_fn(|_| latency_histogram());
        (1..1000).for_each(|us| sums[0].record(us * 1000).unwrap());
        let second = |at_s| Second { at_s, rate: 1000.0 * at_s, p50_us: 100.0, p99_us: 900.0, max_us: 1e4 };
        let course = Course {
            elapsed: Duration::from_secs(3),
            seconds: [1.0, 2.0, 3.0].map(second).to_vec(),
            sums,
            throttled: 0,
            conflicts: 0,
            misses: 0,
        };
        let svg = svg(&Report::new("basalt-bench".to_owned(), None, course, None)).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert!(svg.matches("<polyline").count() >= 5, "{svg}");
        for text in ["operations a second", "longest", "nines of the quantile"] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
