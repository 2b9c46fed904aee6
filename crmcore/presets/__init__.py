"""The policies that come with the package, as files to read, to use and to extend.

Examples
--------
>>> import crmcore as crm
>>> crm.presets.names()
('classic', 'rf_grid', 'rfm_r', 'segments11')
>>> crm.presets.load("classic").label("gold", "zh-CN")
'金'
"""

from __future__ import annotations

from crmcore.policy import Policy, load_policy
from crmcore.policy.presets import names, text

__all__ = ["load", "names", "text"]


def load(name: str) -> Policy:
    """Return the policy of a preset.

    Raises
    ------
    PolicyError
        When there is none of that name.

    Examples
    --------
    >>> load("classic").zone.name
    'Asia/Shanghai'
    """
    return load_policy(text(name))
