//! Gatheral's SVI: a hyperbola of total variance in log-moneyness, its check for butterfly arbitrage and its repair.

use super::smile::durrleman;

/// Raw SVI: `level + slope * (skew * (k - centre) + sqrt((k - centre)² + width²))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Svi {
    /// a.
    pub level: f64,
    /// b, at least 0.
    pub slope: f64,
    /// rho, from −1 to 1.
    pub skew: f64,
    /// m.
    pub centre: f64,
    /// sigma, above 0.
    pub width: f64,
}

/// The same hyperbola by its shape at the money and in the wings, for one year.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JumpWings {
    /// Variance at the money.
    pub variance: f64,
    /// Slope of the volatility there.
    pub skew: f64,
    /// Slope of the left wing, over the volatility at the money.
    pub put_wing: f64,
    /// Slope of the right wing, over the volatility at the money.
    pub call_wing: f64,
    /// Lowest variance of all strikes.
    pub lowest: f64,
}

impl Svi {
    /// Total variance at the log-moneyness `k`, its first and its second derivative.
    #[must_use]
    pub fn with_derivatives(&self, k: f64) -> (f64, f64, f64) {
        let x = k - self.centre;
        let root = units::math::sqrt(x * x + self.width * self.width);
        let value = self.level + self.slope * (self.skew * x + root);
        (value, self.slope * (self.skew + x / root), self.slope * self.width * self.width / (root * root * root))
    }

    /// The lowest of Durrleman's g over all strikes on a dense grid, and in the limit of both wings; negative is butterfly arbitrage.
    /// Minus infinity where a variance is not positive or a wing steeper than 2.
    #[must_use]
    pub fn lowest_density(&self) -> f64 {
        let Self { level, slope, skew, centre, width } = *self;
        let bottom = level + slope * width * units::math::sqrt((1.0 - skew * skew).max(0.0));
        let wing = slope * (1.0 + skew.abs());
        if !(slope >= 0.0 && skew.abs() <= 1.0 && width > 0.0 && bottom > 0.0 && wing <= 2.0 && centre.is_finite()) {
            return f64::NEG_INFINITY;
        }
        let mut lowest = 0.25 - wing * wing / 16.0;
        // Around the bend and around the money, each at its own scale.
        let deviation = units::math::sqrt(self.with_derivatives(0.0).0);
        for (middle, scale) in [(centre, width), (0.0, deviation)] {
            for step in -120..=120 {
                let x = f64::from(step) / 20.0;
                let k = middle + scale * x * (1.0 + x * x);
                lowest = lowest.min(durrleman(k, self.with_derivatives(k)));
            }
        }
        lowest
    }

    /// The jump-wing parameters for one year.
    #[must_use]
    pub fn jump_wings(&self) -> JumpWings {
        let Self { level, slope, skew, centre, width } = *self;
        let root = units::math::sqrt(centre * centre + width * width);
        let variance = level + slope * (root - skew * centre);
        let deviation = units::math::sqrt(variance);
        JumpWings {
            variance,
            skew: slope * (skew - centre / root) / (2.0 * deviation),
            put_wing: slope * (1.0 - skew) / deviation,
            call_wing: slope * (1.0 + skew) / deviation,
            lowest: level + slope * width * units::math::sqrt((1.0 - skew * skew).max(0.0)),
        }
    }

    /// The hyperbola of these jump wings, if there is one.
    #[must_use]
    pub fn from_jump_wings(wings: &JumpWings) -> Option<Self> {
        let JumpWings { variance, skew: tilt, put_wing, call_wing, lowest } = *wings;
        let deviation = units::math::sqrt(variance);
        let slope = deviation * (call_wing + put_wing) / 2.0;
        let skew = 1.0 - put_wing * deviation / slope;
        // The cosine of the angle under which the money sees the bend.
        let beta = skew - 2.0 * tilt * deviation / slope;
        let straight = units::math::sqrt((1.0 - skew * skew).max(0.0));
        let (centre, width) = if beta.abs() < 1e-9 {
            (0.0, (variance - lowest) / (slope * (1.0 - straight)))
        } else {
            // width = alpha * centre, and alpha has the sign of beta.
            let ratio = units::math::sqrt((1.0 / (beta * beta) - 1.0).max(0.0));
            let alpha = ratio.copysign(beta);
            let root = units::math::sqrt(1.0 + alpha * alpha).copysign(beta);
            let centre = (variance - lowest) / (slope * (root - skew - alpha * straight));
            (centre, alpha * centre)
        };
        let level = lowest - slope * width * straight;
        let svi = Self { level, slope, skew, centre, width };
        let sound = [level, slope, skew, centre, width].iter().all(|value| value.is_finite());
        (sound && beta.abs() <= 1.0 && slope > 0.0 && width > 0.0 && skew.abs() <= 1.0).then_some(svi)
    }

    /// The nearest hyperbola without butterfly arbitrage, after Gatheral and Jacquier (2014): variance and slope at the money and
    /// the put wing stay; the call wing is lowered as far as it must, and only if that does not do the lowest variance moves, both
    /// towards the member of the surface SSVI. What is too steep even then is flattened.
    #[must_use]
    pub fn repaired(&self) -> Self {
        if self.lowest_density() >= 0.0 {
            return *self;
        }
        let wings = self.jump_wings();
        let sound = [wings.variance, wings.skew, wings.put_wing, wings.call_wing, wings.lowest];
        if !(sound.iter().all(|value| value.is_finite()) && wings.variance > 0.0) {
            return Self::flat(self.level.abs().max(f64::MIN_POSITIVE));
        }
        let mut flattening = 1.0;
        for _ in 0..60 {
            let flatter = JumpWings { skew: wings.skew * flattening, put_wing: wings.put_wing * flattening, ..wings };
            let call_wing = flatter.put_wing + 2.0 * flatter.skew;
            let sum = flatter.put_wing + call_wing;
            let safe = JumpWings {
                call_wing,
                lowest: wings.variance * 4.0 * flatter.put_wing * call_wing / (sum * sum),
                ..flatter
            };
            if call_wing > 0.0 && is_free(&safe) {
                let lowered = JumpWings { call_wing, ..flatter };
                let (from, to) = if is_free(&lowered) { (flatter, lowered) } else { (flatter, safe) };
                let blend = |share: f64| JumpWings {
                    call_wing: from.call_wing + (to.call_wing - from.call_wing) * share,
                    lowest: from.lowest + (to.lowest - from.lowest) * share,
                    ..flatter
                };
                let (mut arbitrage, mut free) = (0.0, 1.0);
                for _ in 0..40 {
                    let half = 0.5 * (arbitrage + free);
                    if is_free(&blend(half)) { free = half } else { arbitrage = half }
                }
                return Self::from_jump_wings(&blend(free)).unwrap_or_else(|| Self::flat(wings.variance));
            }
            flattening *= 0.8;
        }
        Self::flat(wings.variance)
    }

    /// The same variance at every strike.
    #[must_use]
    pub fn flat(variance: f64) -> Self {
        Self { level: variance, slope: 0.0, skew: 0.0, centre: 0.0, width: 1.0 }
    }
}

fn is_free(wings: &JumpWings) -> bool {
    Svi::from_jump_wings(wings).is_some_and(|svi| svi.lowest_density() >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slice of Axel Vogt, from Gatheral and Jacquier (2014), example 3.1.
    const VOGT: Svi = Svi { level: -0.0410, slope: 0.1331, skew: 0.3060, centre: 0.3586, width: 0.4153 };

    #[test]
    fn the_slice_of_vogt_is_refused_and_mended_as_published() {
        assert!(VOGT.lowest_density() < -0.01, "{}", VOGT.lowest_density());
        let wings = VOGT.jump_wings();
        let published = [0.017_426_25, -0.175_211_1, 0.699_738_1, 1.316_798, 0.011_624_9];
        let ours = [wings.variance, wings.skew, wings.put_wing, wings.call_wing, wings.lowest];
        for (ours, published) in ours.into_iter().zip(published) {
            assert!((ours - published).abs() < 1e-6 * (1.0 + published.abs()), "{wings:?}");
        }
        let repaired = VOGT.repaired();
        assert!(repaired.lowest_density() >= 0.0);
        let mended = repaired.jump_wings();
        // Section 5.1 there lowers the call wing to 0.8564763 and nothing else: that is free, and so is the wider one found here.
        let published = JumpWings { call_wing: 0.856_476_3, ..wings };
        assert!(Svi::from_jump_wings(&published).unwrap().lowest_density() >= 0.0);
        assert!(mended.call_wing >= 0.856_476_3 && mended.call_wing < 1.0, "{mended:?}");
        assert!((mended.lowest - wings.lowest).abs() < 1e-9 && (mended.put_wing - wings.put_wing).abs() < 1e-9);
    }

    #[test]
    fn jump_wings_go_there_and_back() {
        for svi in [
            VOGT,
            Svi { level: 0.02, slope: 0.2, skew: -0.4, centre: -0.1, width: 0.3 },
            Svi { level: 0.001, slope: 0.05, skew: 0.1, centre: 0.02, width: 0.05 },
            Svi { level: 0.01, slope: 0.1, skew: -0.3, centre: 0.0, width: 0.2 },
        ] {
            let back = Svi::from_jump_wings(&svi.jump_wings()).unwrap();
            for k in [-1.0, -0.2, 0.0, 0.1, 0.7] {
                assert!((back.with_derivatives(k).0 - svi.with_derivatives(k).0).abs() < 1e-9, "{svi:?} {back:?}");
            }
        }
    }

    #[test]
    fn whatever_comes_in_is_free_when_it_leaves() {
        let mut seed = 7_u64;
        let mut random = |low: f64, high: f64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            low + (high - low) * ((seed >> 11) as f64 / (1_u64 << 53) as f64)
        };
        let (mut count, mut flat) = (0, 0);
        for _ in 0..3_000 {
            let svi = Svi {
                level: random(-0.1, 0.2),
                slope: random(-0.2, 2.5),
                skew: random(-1.2, 1.2),
                centre: random(-1.0, 1.0),
                width: random(-0.1, 1.0),
            };
            count += usize::from(svi.lowest_density() < 0.0);
            let repaired = svi.repaired();
            assert!(repaired.lowest_density() >= 0.0, "{svi:?} became {repaired:?}");
            flat += usize::from(repaired.slope == 0.0);
        }
        assert!(count > 1_000 && flat < count, "{count} with arbitrage, {flat} made flat");
    }
}
