"""Why training fails: probes measure a run, checks name what is wrong, remedies are tried."""

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.checks.catalog import CHECKS
from nnatomy.diagnose.diagnosis import findings_of
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.healing import heal
from nnatomy.diagnose.plan import Plan, carry_out
from nnatomy.diagnose.probe import Probe
from nnatomy.diagnose.watching import Doctor, diagnose, watch

__all__ = [
    "CHECKS",
    "Case",
    "Doctor",
    "Finding",
    "Plan",
    "Probe",
    "carry_out",
    "diagnose",
    "findings_of",
    "heal",
    "watch",
]
