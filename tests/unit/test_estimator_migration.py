"""A state that the first model wrote: loaded, nothing lost, and it goes on."""

from __future__ import annotations

import base64
import math

import cramjam
import numpy as np
import orjson
import pytest

from estimator_hours import Hours
from estimator_market import COIN, START_MS, MarketWriter, feed, of_kind, parsed, start
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.parameters import LONG, SHORT
from liqheat_estimator.core.stored.migration import LEVERAGES_1, _nearest_classes
from liqheat_shared.kafka.exact.engine import Engine, Message
from liqheat_shared.kafka.exact.stored_state import POSITION_KEY, StateVersionError, StoredState, pack, unpack

MARKET = "alpha", f"{COIN}/USDT:USDT"
#: Dumped by version 1 after: instrument, open interest 1,000 at 60,000, two measured accounts, a fall to 59,000 with
#: openings, a rise to 59,200 and a fall to 59,100 with closings, an interrupted feed, a second market without a price.
VERSION_1 = """
KLUv/WCbVY3NACqOfVlHEBApbw52tXQdmjZoyTunX0MN7QjqLJOFFOBKwGlcj9KNiAXbPXPNmtjaWvbU49hpE9kFjd8KSTLJlGSaSl8d0sI+yk6EkQHD
BLwEZQY3l1znPt6atZm4xLzEXZP9kjibpOY64331Lvfm2Sw3N3PuJSc5vnl3rbc2zY4xLzG5Nb5kzlyX3bx475w1vxtrjDOZMea6601mbXLNby5zebPO
ptamqUuOt0lqkpOX5NskTbN3zrM1yzJz3cmcde+7j7dWk4npDpdTRftl2/liy/PFliQvtqW+2ObyYmvyi22/GFuuMbZlx9hyMmOLL4ltxxrbfC+2nPNu
++4262737bbcpuUmt2Tmdt/Sckya+mabyYst1hdbri+2t7zYlvxim/vFlswYW1xibC/O2OKdsd2YxJYkNbb6Xmx77zb3bm/vVpvd8rLbS3aLTdNmbFpT
c3vJ0mZNmiqOJ1qT975FJnKRGNsyd9Lcl+dyc3LMJcarTvVxpVimNjGped5j713rrDmJdb45l7v3m8fMbbuTl3dy99yvxuM1rdYYb2yS5uXlLvF4dU0m
piru6oaVamGlu99WFbfDSrHSVL2pOtHabPfe3a1Yq8lErHTlAv6+ZGIK7KVdouX5flk3LN0O1yWuarqKMjHN/YA+9ab+Uis53ZqmWTvfFS+LKtorE9Nc
LwVeSVXRYpnY8+nUX9p1w/HSrZyadunSXPoTRZmYrj7glV+q23Hp1h2Qd0tzuh+XaMUsuB1X+hNlYqritrhEa/u6G5f264735/PtsjAXLnfb4Xo+3err
ifaOO2OZmO5uWHA80ep7xysT0xX3u6W5Hq6Xrj0djvdLdeutp9P64dRf2tXT3VSdaLFM3Mr5uNLbqqZaPd3NKU+33tZe2pWmWnTqbc3hfmvPlxOtuOQB
JaJM7OnWXsoD/la1pxPtHfG9t8SSYqkpFu633lTclmhJmah6+XZZXr5dFpbuttvpsqzk1tTKD8cT7ZfNzBnXZKK6+naqaG01mbiq6YrbidZmuyOuWdsd
b83aajycuEUmqjvc6ltvPZ8O9y0T05zux3VbVdxuh+v6pWtPJ1pMRCaqvNtOt/aAN9/uluXnW1XdlmhxOd2OC4glWpttTa/EmrVhbLEVH5iCAoHsgSko
EBRZ8oAS8edTf8CcDbfFtcOJNWv7uvdeEyvdcfFwqlZPh9VLuURr4720d1+Mbedl771zju/tusTA31pe8mJ9r8753ozvePG9JXlvSZIlzjuT2hzzzmTv
vfdtv75sNZm4/nCrKlrbtbkmE1Mu3JYqWltNJmL1UtGKOsuIKBNTriwrlrhFJqpYKlDlrWr6S9ee7tZLuXxquqY7Lp4v19OJ9srEnu5qvDWZqO7SrnQn
Wty6S7FuaZduxe2APGBOtF8pD7jzdWUBXt1+qRXc2ku5fF6+3R3vzSbGKw5LB7yi29nueO02y86xNsux1BzvTNZkIpYKvGGlPKDa8+VEe8d7b9/iFpn4
w12JW6yIla44rfSnpYUTazWZqPZ4wJ0vJ9pU3eGyZCJWquLSXfq7/dJfuqrAXU60X3e8MtHLtxPtHa9M3NLSbfFuq/rTZYn2ysS1B/TlxC0ysefT5XRc
KlC99+5+773X5FgmqryblZxvlxOtWZZlWfYsE9MV2NPxbmqqqrhdTrRfwB2uS7S7HbAnE1PVt8vdVhW3E+2VieoPdyVukYmpVg/3u6XA33pLtXC/tAsn
bgnDIG4CTr4RKRecdabgfIyF6g+nEsT8HpAwoUgjI/JdwIFChgqY0nMSIIEpqghq+EVTFACqxMNKTFSaLyxqTHlGHvwCZa3w4gvB0RTy4cHGB/EBqB3A
4LF9FT9UoIRMCmi+AbxRgDqgcvHHLy7Q6YMkyjeHoADkBs8D/0sBZOWFrM//WXpEsWkk9s0cPDB5CHT4NpQJIjaF2fk7pvQ+6RhAfxQ+GMnhqUYeCDtl
5hAKQYh/YRCiGTxamkFFyMgDo7TyYjSsIjgQpOMfXcFh44kKOA8KSB0XLtGc/BlmTDAvYYj4QGrYfRFDxX/pJoYoaBAa/B9JbEbQgQw+1RkRzKRRtOcr
+aGSSEKJ2++fkHwUgmc+ERg+2oAVwefnqKGOBCaVsV8iB5+qIWck8DysmGEPDTKq/ApqMNn5AWcMvaI5Ti5o0QcEz4aCqgAWYJR+rVtautSLB1Rvaa6H
0/1wvR9wTX+9b5GJWVbdTrfidr4urHTNpVXSn2htX6m6w2Xda227d93viO/tefl6Vmy2mr01mYiVYuF+pZdvZ25p6bZuK1fqpYrWpvZ8upq1v9RKTreK
tVqq3ni49LeqPxzvdrHtjpe0d7zaZtvtgD17x0tabMUrLFesWVvH5sX2jlfba0UclvsDqriUJ9puXkyavY9XJq4qbnfzrTcrPxzPyg/HW38+rvR3U3Wl
2S+WiT3d1c1G7hLfjXfJry45H01sy7JvEt9r8lJfzEeM7S45ucm+cc8ZXz6a2OqLyZ13JjnvJe8jiW2pzbuviU1dkjePnLRkxz1vc3NSd9IcNWm3zrmb
uutcbnxHklsylzdvTWKNS67HS2JbmrzjbvJ+eTb7qDm2u7z6alP3i3MfyRJbM5vXvNnMJceXj3lj20msyb3NrnUvx27imrV1THactbk5vtfM5nht2XfZ
L86dm/dejfV4rdnNjM2cOcb35r3HazXHPJuXxBprUmdOjtfivXHWPd/Le+7j1RZvrvPNG/POuzly0mrecyY3N/He2Bw5tyTvuuOOy7xJ3UdOYsv3LvHV
GvPdMR9JE1uNu8Y998yx7nzEHFvz4mvqS5K7LMuxb2x3vybmJi93Wd7R7LhWk4k73Orz1aztqiqOd9vpcKtobbZs9r45J/XWvWut83hteW829y1v71pr
spPjtbybWJOmaZIlSZJk1+O1HJdZ69LsZMnNW5bjtfqandybk7trvDUfry11L3VpZry5uTsfr82X1Btrfu/eZGma47Udd02WZu6d77zNfc1y53LfnHHf
++6My805vp3vUpt59711N3vmGHNManzv5n28NVtiIqm+ps4b844xz7sct80X75JfXnasSVzi8VqMy9IksUlmbF7y8vFaza/WZNb5mlz3zcdryc5LXvZu
YpxJsjTHa8vdybxxz2VJbn37eO3GmfPdSX63vrqP1/Kym3mTm5vc7LqP15Zlxnn3XGay47KP15ZYl3trrHnGZC9/uC31hpWmqmhttn557nibWZfYxGbO
3ORdmxrzXpacZ1Jv3XfmfOvSJLXel5OlmbMmM9a35FdvzDMvdydxmTnumtSXd93JjXvW/ZY4Z7LU+Zo9X7OT5SXNTWqtddc569tJs/OMTW3NbV5ukiYZ
XpMJSfKVGiLeERCUGpjEo8u3kM/4PwOoXgMwE+6ZMJo3gQQ/XcTwgD2h2Q1IX31u8JRGaUKGhGDgPVUKYijNEftTaNLDA7fBky/jhxkyNDv690ChKsgc
XKQvbiDzo+aGBb8GiisdJFFy6KNYQYcOOkzp5DuRQ3wKdsKPUbmxwwTAwg/KVMMMCrwTT8KlHjoIeKLFw2Fiu0QC08jXQLNBi9gKQV7TA0jEhHUZ8lFM
MlIlgtqMf2PIEhZsiW78A7YsBQIEyssnMgoDN1Ii/fCzoANcrBwU+UJmqh4vbhD9HZbAqMFhpsYXgIwPYAVzUvCfBk0JqgJDAp9Dp0tTOTU3fAsE9Jzc
6RLCD/JBTQGWvnz5S0J0iZJFiPGbmCAoyYgptY/DzQZAKELhhB8EUNaLGF5Un1TTJhLPgMQ/4sIcFYDh6R9BoUkJ0wMxXz9RdANY7n4gaLZ0HCIyxL+h
gwEWaf7U8Enk0IMhOytGb8kQDRWU0YGRDxRyYAfLpCwv5qgLvUXp5H8wWcBQpqv3UTDxoQInQ83fwQtlqO2E/NHECY/c5BD8PQaWoG2Hjp/EDgE4eqgz
6i8B9YgEOblP/8goBZao4f7nrhYf7HAhzxcjHaEkI0eT/+InGoIAmZgfooUKDWz6qWfUQxQKbajg8HKSlDGjpIVQnhKWKhbssZXxo64uKCKIMBF8G1RS
5NTIXPlBNLGwiZPO65clYgiptImA76/GHu3ApvwlBoT5EybSlY9khqU8lYLw9MkDwK4MySH2fdyYQcsEeFh8GBUYEkLDSvKdhMy2QHCV+kZackTBdIEU
r0iCHXo8FUHiNymJwUhOEDa/hQRaKdJQMOpLiWpziADx0b9mapS5k0T93mUAnRZhKf7nw4OMVZiY7303hTS8BX7ZJZMZP5YC8IdAOdOlqgeMj0OGA8Su
F2V+CSxQ1gT5XfGWBFUJgpMRSrwfIUj6UOE64Q/lEGXRjFCT34TighqGuOTot4DUQxFFV1L8Hp5WRHq8Evi5iooCJDLB8I/4wJzAqXT9JWxyFEGkyfin
bAcKmHQ8+EjwNAFCTgocfra0xceCghO+SGhRqh4R/ALslvDAktE8JwTIzCRthflEmGpAdYhJeUxSm66NrE4ehC2b1D9/NvlFOkrWE1qVJ3SEmz14zh2f
Q56QgDocwPF++tSAUYNEDY8nTpEgPohp4sswEUSmywYurMFhyjaIEP0ioCcvdkPq30yBUQXKjesPge2oYUAdH56HTSxI6kLzx4PSdAaTA6eQz6IEGoEz
Qwp/hpIJqGRQY80PokFvTSgXtL4PLCokYJWt/oxJIZwh1zffhG4CQWdwrPGcfrRQwBwvFT6SIx9+z47jAaUjrKDHgxP+A64sKBkAfEV6skcTOUMJD4MJ
KEHUPqt34kUDAKBGcPk6iFJfBZIKz8gqxqNNo2J4IL46yaBqJMePAsOFTSIIbHwBpj4YUGmufo0Q8owRw1ryhexGmZAxZusXEOpiXdlg47uQ5IGNZKQF
L8qRFC6SGj3yP8hZMgAkvcIvcjMBAibMGHk6MdCIImkSDFoIXdoyyHYehyzoaxOUPZ6FPypUmNOHhpc0BCFHgcwi/tMAaWiMmcr6LhzFMABInAL+jimj
RDUpsfs/hngABi5uzp/DDMnEwfD4eNekjh08L/wfGaBQQ8iWwr+B51AEQKzEfgo0TQLJsa3xm1T8YEQLAwX4RminS1dW4Pg4KEDJwEMYphEOohFFyBzx
hPLwaLLDnOMVtQlyBIEsdbwmBsxUqcEDAD6LlAITPRBZ+gZcYmND82L8RLLS4BKd6d87CNrxBQn6PxGQfFxxgc5XgAMefgL4g8DHCuiZ4gFzX9xEFnox
QQ0fBg7bDA0RzPwnOI5oORKo8pGMNGCCUABVvg2MEgvo8KYQpRuOjoAzw3o9YkeMEgETFX/DDakmVhop8p7yLFkhBF6iH0MOiUEXUdX/UYHUCwGup695
ZQoGUGLzkdxeeBFFrPOpyiJhcLAhg59EB0Ap7YZLn1sgk4Aqi4k/pAYDKZxwpoR/44eRK6kRHH6IM6058MTgKfEA6cSUjhG8Cnhk0AFNoYckE7hEyRRm
xdfp1GLPUaI9IC8jKig5YsxfohO2yVHX/idQgLkghobIJyAQDzNjX4J8SyOl4CSQ9DmbKJv4FCDk/zhilk8KSr4SGzShVzuzDsaEtDx/gmcZDMZQrzUG
FXRnrGqHBYiqnMD5VRHs2FElwrABWggBE53NCZ5qwMZogOIEZyM0KjMW0k4IFJ5d1nxUKhMdVAQfpKCawraqCoCEpYrGkTFoIxmLUC9F9/zhh9VJBCxI
W2CHsxMnwJyENB1f4dkCTPCEgZEVamtADB10Y1FVAKDWKiE/glUngKCBvgk1hmIZ10lGAitaH1o4wyNjBuNESIviC8/NJzw5RRFDuZQQojZUYamyoVur
hKx5ARXVJQUV4ReG8kgzdnLJQYwWhimcjRFBxBHSlKwQngU8Cc9CPT56rsCFkvCICBRTjUKoEHu4UDYIjEGRXGk6+yQROwcY+7QiZzhbwWb2w5kZTyGN
yxqeQ3YITzw3SKE3qIxBdXk0oWRGmejUF65zbP1n2gvS+OzgzIcUIRUjOgJwhTMhLkLaCjWkyakFTyIgBM8wREIUxTkGbRGE1EkCL+w8QEmQtmYNzjoR
Ec5qhIVTl8SYOAlnELAJaUCEhDREIwTPKQP++cEEIZrxIjTFCxjnFxZWpwqvkNbVwxmdRyFVIR/CKSZTX35ItQGOcFYzEtJSFAlpQRJCWqCq4OkBorET
CgkxGp85IQ0HCmcljAmpfMARUpkYC6dQGAupNBALZ1O2QhoKLSGNSxrSAGUJTwCAWZ1pTBCjOSoS0qK4ENKE4EIaXxGeAeQJTxTkBM8VaYI0KlEhjQED
QtoWDCFa5JPVyUGSMNqPL+FMhCEh2ksrGpAe4exMMKSCtCJEtZgILvEThlOIxkIqPzDCGQY2QhSFDWK0DCSFNCJIBM83hoInAl+CNC2EQtoJB8LZlB0h
1QZOwqkwYT6chLOMJ6QJ8CKkzQETnkK6gmcXB6xQH2yCKIsx7PxyQuokQUNI+32Fszs+QipGUsKpLkElE4QhlRVN4SxLKqQVURLSFkkJnkl68BTjJYYC
uWDshOGJ2HnkUEg7lCZICwIWzqZYhVQ1MTZowhmfUCHtgxs8OQ/BE88aKbTFnEWoFRXEUBsDH13hZsxp5oudA8QIaVGA4SxYhlRX0+zzCWmzW3gSMEXs
bKGNFZohGEO9kBBEE23BgqIwghjqRObk5KHN2MlkKqSJwSA4G2FSOHXERwMgI2y2RSqkBYcIz1OD4DmEGilUqyoMVeHQG1SIO1aooUIX9QKCJlSGEFIn
WBIpmp4c4cxQGFLp4KJyUyicGWEV0mygEZ5iuhVqwwZRLZHGUDpib9AYgFJQEDK9Qc2w8PTjFXbe+CFGQ0KGswSMUP0gFtJcnAhpOwgJnh0I+igMAcag
OUlBNIQjxqBpJAhDr8SMoStmODm/mBijJZISzkCJCqkE/TAMwxmROCEtjwnPACwFzzeGxlCpCGCgPShBFE0XMfTLeqJchaYT0Zuwc9P5tAqqhLMN3oRT
OYiF/oIaoB5FCsrxKHzCY9UqUj7QHjNF4OgY5G1YwEkWo0mRfKUh9gziEgIlH4QohBgbXZ5+EDskUDJNKv0Zk3ibT14h+EtRWDDRJJQXf0MLFtAxOF+8
FoldIyujCvkPIlnyouYK+zo+juBE6dAoH4MVO4LWZNCAh8RApxNqqNjhLYlwwFSc9c4vMYqIKCFcDPo3cIhJoueCG79EOIkIoSYKeEo4erCAiRUiPKM5
tlAosIrwfuL4sUPJx8+bsBuBkdJJjg96Amv06c4c74GOTAocEnHxd2gBmNKzAAg/w5AomFHvhN9BBUUGjBIRvylOiU5M+qzgQ4HhNBgJm30pLC4G0Gid
8GvkTGRaeVjgjagBk5fdjEDeByB+ANHQ0fE2jG35gA0ZTB5QA4QuVSqhgy9BTxtJXFR9/JWtXeCARgPvAY8dO5MZQ/4ODE6KmEjp8YlyeAGDEnx9/A4L
PCFBxDHym8R8heqBAiY+lM6BCFr4ANKnQWOccohS1ndRSdADT04zHlQTLYWEsFGB9+GK0J1JPXj5G4oY0pKOMcEDugQAmZJRPG+Cjzec9rgowP9uKpyM
UW1eBcwGzNMPm0ekZg0DOn4734MWDg9UOgCSL2KNccMIPlL8ACLABMSFBTj4MxSNCSLIA9AHEmoTjwo0QPHFF0Ds2Tl6+DE0YZHomsHplzh7cASW5k+B
O6iBlTHGEEJGREhEREQkcRoDsQSEMIWghAZ7EqhQoZwEKcoYowwhhhhCCBGJJJQRiUZMlKQDlw//sNYYhM7W6XXhztkPiPiaOwXCscUGdSjFbP4uaXJg
Ntz4WhlPV7Um37YGc+x4220R7lfu4FMABRerzBmxw59nDWW4/hx1OavzxPW3W/obif6GQX+L6W+w9LcS/Q2D/rb8mELYu+d5Q/aiHT9bCAA91SLCU4+I
KrrMo1hxIzdLEf8J5dpjum/a7qOt5HOoFJLh+PcDVDQ4xmNArPFawPoPdWaYJmpTtP2oGgfgYW35m8I64+WCKzbTuStum9T8igylzmZs13q9HIsnZb4x
WM3MrvH+PwPHCPNwoSOT6gEXbn5lZl7ufqxAlPBa6YU2h4rFqS8oM8nXf2dZc3wUoupv/kBPVEO4cZ6f2YgBoM5CeajhKKZX0GR/qNDIv59yBP7jOSIV
Armpux75TXFQlROGSPVR2XmRLLdsFAKolmxKKW2LL4ODHAkFy79JXdf0AuexlO67lkj/2ihvJD+KxvuM2PMj6fR68I8XG6ezrYSpN430meDvJORFIh1j
XFg/NQkZqTBXhLX+wrnDTyRT+8p0stAlwMCJpp4ZyVPC1kIMwY4O1zpK5zuLhul/gLnZatqyUIuF5Tpemt8NjBWaHhmlCbUxDzCI5weX+ok9HzySKgAS
GA1JftAAHtCUJEre5u+7kTSTehG6bQ6ZIZANPQ5FhSkdPJgMvQ1G/2G09IF8rhkZqffVwRTuKuS1g7NHxKUuFD6A3qQ4EgT5jfe25xAcSgGEB/bofhN9
REEbKuZbPtzUS9MdUHCLeK+0Y2pvA6ylFtwQWD1aqFGvEXGcW/22kZ3FPAKzHM7cjDgeBiz1LX7ybCSgETwrkcmqWRvCuXqMhOrB0NIdYrrVATeqztGN
R/7xKSm6P/ogoVsHRlLPlVRICgQBaHS3QovRCnzJ0oWG3cw6RN9Ow4Kc+tWmbUHTlAlY/DGEzXQRwQLf4BMPsCU+Ld1VSHnxJthSBu5SKVwTNz1RCFWv
DBi1qVQquDc1+XFOnq2hMbZWcCUgtHTBVnEog0286PjQ1sI3a/IYRMYnV++9d54NM54uNb9UwOsQk7NQev0=
"""
#: What the first model said about the market when it dumped it: deposited, consumed, closed and standing, by side.
DEPOSITED = [1162.3756270583926, 1130.1409295397038]
CONSUMED = [72.20995622024137, 0.0]
CLOSED = [40.165670838151144, 80.14092953970395]
MEASURED = [40.0, 30.0]
#: Mean bin of its estimated positions, and the bins of the outermost ones.
MEAN_BIN = [10682.470794395049, 11212.597088172197]
OUTERMOST = [(10295, 10981), (11003, 11410)]
NOW_MS = START_MS + 75_000


def _migrated(fold: EstimatorFold) -> bytes:
    return fold.migrate(1, base64.b64decode(VERSION_1), COIN)


def test_no_position_of_an_old_state_is_lost_or_moved() -> None:
    fold, _, _ = start()
    state = fold.load(_migrated(fold), COIN)
    market = state.markets[MARKET]
    assert market.map is not None
    assert market.ledger.deposited_base == DEPOSITED
    assert market.ledger.consumed_base == CONSUMED
    assert market.ledger.closed_base == CLOSED
    density = market.map.density()
    bins = np.arange(density.shape[1]) + market.map.first_bin
    for side in (LONG, SHORT):
        explained = market.standing(side) + CONSUMED[side] + CLOSED[side]
        assert explained == pytest.approx(DEPOSITED[side], rel=1e-12)
        assert density[side].sum() == pytest.approx(1_050.0 - MEASURED[side], rel=1e-12)
        assert (density[side] * bins).sum() / density[side].sum() == pytest.approx(MEAN_BIN[side], rel=1e-12)
        filled = bins[density[side] > 0]
        assert (filled[0], filled[-1]) == OUTERMOST[side]
    assert market.coverage_share() == pytest.approx(0.11632952919596318)
    assert market.measured.accounts["0xa"].liquidation_at == math.floor(math.log(50_000.0) / 0.001) + 0.5
    assert (market.mark_price, market.index_price, market.open_interest_base) == (59_100.0, 60_001.0, 1_050.0)
    # The mark had been in the bins of 59,000 and 59,200 since positions were last added.
    assert market.swept_low == 10_985.0 + 1
    assert market.swept_high == 10_988.0 + 1
    assert market.interrupted == {"trades": NOW_MS}
    assert market.instrument is not None
    # Learning and the record start anew.
    assert market.learning.hour is None
    assert market.learning.filter is None
    assert (state.accuracy.reference, state.accuracy.open) == (None, [])


def test_old_classes_go_to_the_nearest_new_ones() -> None:
    fold, _, _ = start()
    market = fold.load(_migrated(fold), COIN).markets[MARKET]
    places = _nearest_classes(market, fold.parameters)
    new = market.layer_shifts(fold.parameters)
    for side, sign in ((LONG, 1), (SHORT, -1)):
        assert (np.diff(places[side]) >= 0).all()
        for leverage, place in zip(LEVERAGES_1, places[side], strict=True):
            own = abs(math.log((1 - sign / leverage) / (1 - sign * 0.004)) / 0.001)
            ratios = np.abs(np.log(np.abs(new[side]) / own))
            assert ratios[place] == pytest.approx(ratios.min(), abs=0.02)


def test_a_migrated_state_goes_on() -> None:
    fold, _, _ = start()
    state = fold.load(_migrated(fold), COIN)
    assert fold.dump(state) == _migrated(fold)
    writer = MarketWriter()
    writer.now_ms = NOW_MS
    writer.sequences = {"alpha": 11, "beta": 1}
    emissions = []
    for minute in range(150):
        writer.now_ms += 60_000
        mark = 59_100.0 * (1 + 0.01 * math.sin(minute / 9))
        emissions += feed(fold, state, [writer.ticker(mark, 1_050.0 + minute), writer.ticker(None, 9.0, "beta")])
    for emission in emissions[::20]:
        parsed(emission)
    market = state.markets[MARKET]
    for side in (LONG, SHORT):
        ledger = market.ledger
        explained = market.standing(side) + ledger.consumed_base[side] + ledger.closed_base[side]
        assert ledger.deposited_base[side] == pytest.approx(explained, rel=1e-9)
        assert market.standing(side) == pytest.approx(1_050.0 + 149, rel=1e-9)
    assert of_kind(emissions, "grid")[-1]["scopes"]["alpha"]["open_interest_usd"] > 0
    assert market.learning.frozen is not None
    assert state.duplicates == 0


def as_version_2(body: bytes) -> bytes:
    """A state of this version without what version 2 did not have; the rest of the layout is the same."""
    raw = bytes(cramjam.zstd.decompress(body))
    end = 4 + int.from_bytes(raw[:4], "little")
    header = orjson.loads(raw[4:end])
    for market in header["markets"]:
        del market["liquidation_minutes"], market["hearing"], market["deleveraging"], market["liquidated_base"]
        del market["ledger"]["deleveraged_base"]
        for name in ("hidden_usd", "last_hidden_usd"):
            del market["learning"][name]
    for record in header["accuracy"]["open"]:
        del record["hidden_usd"]
    text = orjson.dumps(header)
    return bytes(cramjam.zstd.compress(len(text).to_bytes(4, "little") + text + raw[end:]))


def test_a_state_of_version_2_goes_on_where_it_was() -> None:
    fold, state, _ = start()
    hours = Hours(3)
    feed(fold, state, hours.walk(8))
    old = as_version_2(fold.dump(state))
    with pytest.raises(KeyError):
        fold.load(old, COIN)
    loaded = fold.load(fold.migrate(2, old, COIN), COIN)
    before, after = state.markets[MARKET], loaded.markets[MARKET]
    assert before.map is not None
    assert after.map is not None
    assert (before.map.mass == after.map.mass).all()
    assert before.ledger == after.ledger
    assert after.learning.filter is not None
    assert after.learning.observed_usd == before.learning.observed_usd
    assert len(loaded.accuracy.open) == len(state.accuracy.open) > 0
    assert after.liquidation_minutes.share() is None
    later = hours.walk(3)
    grids = [
        [each.value["scopes"] for each in feed(fold, one, later) if each.kind == "grid"] for one in (state, loaded)
    ]
    # Neither feed is throttled, so the maps are the same as if nothing had happened.
    assert encode_all(grids[0]) == encode_all(grids[1])


def encode_all(values: list[object]) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)


def _records(**versions: int) -> dict[bytes, bytes]:
    """A partition whose position and coins were stored by these versions."""
    bookkeeping = {
        "last_input": None,
        "source": None,
        "ordinals": {},
        "sequences": {},
        "quarantine": None,
        "losses_seen": 0,
        "unreadable_inputs": 0,
    }
    body = base64.b64decode(VERSION_1)
    records = {
        name.encode(): pack(StoredState(1, 7, bookkeeping, body), version)
        for name, version in versions.items()
        if name != "position"
    }
    records[POSITION_KEY] = pack(StoredState(1, 7, {"lost": []}, b""), versions["position"])
    return records


def test_the_shell_migrates_a_coin_when_it_is_first_needed() -> None:
    engine = Engine(EstimatorFold(), "market-events-v1", 1)
    partition = engine.open(0, _records(position=1, BTC=1, ETH=1))
    writer = MarketWriter()
    writer.now_ms = NOW_MS + 1_000
    writer.sequences["alpha"] = 11
    raw = writer.ticker(59_100.0, 1_051.0)
    engine.apply(partition, Message(0, 8, COIN.encode(), raw, writer.now_ms))
    partition.to_dump = dict(partition.dirty)
    engine.dump(partition, b"BTC")
    stored = unpack(partition.records[b"BTC"], EstimatorFold.state_version)
    assert stored.label == 8
    market = EstimatorFold().load(stored.body, COIN).markets[MARKET]
    assert market.open_interest_base == 1_051.0
    # The other coin waits as it is, and a later start still reads both.
    position = engine.position_record(partition, 8)
    again = Engine(EstimatorFold(), "market-events-v1", 1)
    assert again.open(0, partition.records | {POSITION_KEY: position}).next_offset == 9


@pytest.mark.parametrize("versions", [{"position": 4, "BTC": 1}, {"position": 3, "BTC": 4}, {"position": 0, "BTC": 3}])
def test_states_of_unknown_versions_are_refused_before_anything_is_folded(versions: dict[str, int]) -> None:
    engine = Engine(EstimatorFold(), "market-events-v1", 1)
    with pytest.raises(StateVersionError, match=r"state version 3 \(and migrates 1, 2\)"):
        engine.open(0, _records(**versions))
