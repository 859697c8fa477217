"""German compounds: parts against every reading of a word, a list of words, and what an index finds by them."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import regex
import Stemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve import Document, Index
from retrieve.errors import MissingExtra, StemmerMismatch
from retrieve.text import compounds
from retrieve.text.analyze import Analyzer
from retrieve.text.compounds import _FURTHER, _LINKS, _LOST, Compounds, german_compounds
from retrieve.text.stemmer_identity import stemmer_fingerprint
from retrieve.text.term_rows import numbered_rows
from retrieve.text.word_terms import word_terms

installed = pytest.mark.skipif(
    importlib.util.find_spec("wordfreq") is None, reason="the extra compounds is not installed"
)
SAID = ["bm25.language=german", "bm25.compounds=true"]

TOGETHER = """
donaudampfschiff: donau dampf schiff; steuerberatungsgesetz: steuer beratung gesetz; steuerberater: steuer
berater; einkommensteuer: einkommen steuer; einkommensteuergesetz: einkommen steuer gesetz; umsatzsteuer: umsatz
steuer; umweltschutz: umwelt schutz; umweltverträglichkeitsprüfung: umwelt verträglichkeit prüfung;
arbeitsmittel: arbeit mittel; arbeitsschutzgesetz: arbeit schutz gesetz; arbeitnehmer: arbeit nehmer;
arbeitgeber: arbeit geber; krankenhaus: kranken haus; krankenversicherung: kranken versicherung;
haftpflichtversicherung: haft pflicht versicherung; rentenversicherung: renten versicherung; bundesrepublik:
bund republik; bundesgericht: bund gericht; bundesministerium: bund ministerium; bundestag: bund tag;
autobahnraststätte: auto bahn rast stätte; fahrzeugschein: fahrzeug schein; fahrerlaubnisverordnung: fahr
erlaubnis verordnung; führerschein: führer schein; straßenverkehr: straßen verkehr; straßenverkehrsordnung:
straßen verkehr ordnung; verkehrsunfall: verkehr unfall; kindergarten: kinder garten; kinderarzt: kinder arzt;
schulbuch: schul buch; hochschule: hoch schule; universitätsbibliothek: universität bibliothek; apfelbaum: apfel
baum; apfelsaft: apfel saft; orangensaft: orangen saft; fußball: fuß ball; fußballspieler: fuß ball spieler;
handballtrainer: hand ball trainer; tischtennis: tisch tennis; wetterbericht: wetter bericht; klimawandel: klima
wandel; atomkraftwerk: atom kraft werk; kernenergie: kern energie; windenergieanlage: wind energie anlage;
sonnenblumenöl: sonnen blumen öl; zahnarzt: zahn arzt; zahnarztpraxis: zahn arzt praxis; herzinfarkt: herz
infarkt; blutdruck: blut druck; blutdruckmessgerät: blut druck mess gerät; lungenentzündung: lungen entzündung;
gewerbesteuer: gewerbe steuer; grundstück: grund stück; grundstückseigentümer: grund stück eigentümer;
mietvertrag: miet vertrag; mietpreisbremse: miet preis bremse; kündigungsfrist: kündigung frist; datenschutz:
daten schutz; datenschutzbeauftragter: daten schutz beauftragter; datenbank: daten bank; abfallbeauftragten:
abfall beauftragten; gefahrstoff: gefahr stoff; gefahrgutverordnung: gefahr gut verordnung; rechtsanwalt: recht
anwalt; strafgesetzbuch: straf gesetz buch; strafprozessordnung: straf prozess ordnung; zivilprozess: zivil
prozess; verwaltungsgericht: verwaltung gericht; verwaltungsakt: verwaltung akt; verwaltungsverfahrensgesetz:
verwaltung verfahren gesetz; bestandskräftig: bestand kräftig; zollverwaltung: zoll verwaltung;
luftverkehrsgesetz: luft verkehr gesetz; eisenbahn: eisen bahn; eisenbahnunternehmen: eisen bahn unternehmen;
seeschifffahrt: see schifffahrt; binnenschiff: binnen schiff; wasserhaushalt: wasser haushalt;
trinkwasserverordnung: trink wasser verordnung; lebensmittel: leben mittel; lebensmittelkontrolle: leben mittel
kontrolle; tierschutz: tier schutz; pflanzenschutzmittel: pflanzen schutz mittel; arzneimittel: arznei mittel;
arzneimittelgesetz: arznei mittel gesetz; betriebsrat: betrieb rat; betriebsverfassungsgesetz: betrieb
verfassung gesetz; geschäftsführer: geschäft führer; aktiengesellschaft: aktien gesellschaft; aufsichtsrat:
aufsicht rat; jahresabschluss: jahr abschluss; haushaltsplan: haushalt plan; stadtverwaltung: stadt verwaltung;
landeshauptstadt: land haupt stadt; hauptbahnhof: haupt bahn hof; bahnhof: bahn hof; flughafen: flug hafen;
computerspiel: computer spiel; softwareentwicklung: software entwicklung; mobiltelefon: mobil telefon;
handschuh: hand schuh; schreibtisch: schreib tisch; waschmaschine: wasch maschine; kühlschrank: kühl schrank;
geburtstag: geburt tag; geburtstagskuchen: geburt tag kuchen; weihnachtsbaum: weihnacht baum; sommerferien:
sommer ferien; liebesbrief: liebe brief; freundeskreis: freund kreis; wörterbuch: wörter buch; häuserblock:
häuser block; bilderrahmen: bilder rahmen; hundehütte: hunde hütte; wohnungseigentum: wohnung eigentum;
berufsausbildung: beruf ausbildung; ausbildungsverordnung: ausbildung verordnung; prüfungsausschuss: prüfung
ausschuss; meisterprüfung: meister prüfung; antragsteller: antrag steller
"""
WHOLE = """
minister ministerium gesetz verordnung verwaltung bedeutung nationalität universität information organisation
kommission republik gesellschaft wirtschaft wissenschaft freundschaft eigenschaft mannschaft botschaft freiheit
gesundheit krankheit möglichkeit tätigkeit fähigkeit verhältnis ergebnis erlaubnis zeugnis verständnis
entwicklung beratung versicherung prüfung bewegung erfahrung untersuchung behandlung vereinbarung genehmigung
berücksichtigung beschäftigung unternehmen verfahren verhalten beamter angestellter direktor professor student
patient instrument parlament dokument argument experiment element temperatur literatur architektur kultur natur
sekretär militär material personal kapital hospital festival international traditionell offiziell wesentlich
persönlich öffentlich verantwortlich gleichzeitig notwendig selbständig schwierig gemeinsam langsam deutschland
österreich frankreich berlin hamburg münchen karotte tomate kartoffel schokolade marmelade banane ananas elefant
krokodil schmetterling frühling lehrling zwilling kaninchen mädchen märchen bisschen anderen vielleicht zusammen
eigentlich natürlich einigermaßen verschiedene bestimmungen vorschriften anforderungen voraussetzungen
zuständigkeit zuverlässigkeit
"""


def readings(word: str, logs: dict[str, float], *, first: bool = True) -> Iterator[list[tuple[float, str]]]:
    """Every way to read a word as known words, without the rules for prefixes, endings and short words."""
    if word in logs and not first:
        yield [(logs[word], word)]
    for end in range(3, len(word)):
        front = word[:end]
        found = [(logs[front], front)] if front in logs else []
        found += [
            (logs[front.removesuffix(link)] - _FURTHER, front.removesuffix(link))
            for link in _LINKS
            if front.endswith(link) and front.removesuffix(link) in logs
        ]
        found += [
            (logs[front + lost] - _FURTHER, front + lost)
            for lost in _LOST
            if end > 4 and front + lost in logs
        ]
        if found:
            for rest in readings(word[end:], logs, first=False):
                yield [max(found), *rest]


@given(
    st.dictionaries(st.text("sen", min_size=4, max_size=6), st.sampled_from([1e-3, 1e-5, 2e-6]), max_size=12),
    st.text("sen", max_size=16),
)
@settings(max_examples=500, deadline=None)
def test_the_parts_are_those_of_the_best_reading(shares: dict[str, float], word: str) -> None:
    logs = {known: math.log10(share) for known, share in shares.items()}
    every = [reading for reading in readings(word, logs) if len(reading) > 1]
    read = [(sum(log for log, _ in one) / len(one), tuple(part for _, part in one)) for one in every]
    assert Compounds(shares).parts(word) == (max(read)[1] if read else ())


def test_a_word_without_end_takes_no_time() -> None:
    known = Compounds({"steuer": 1e-5, "recht": 1e-5})
    assert known.parts("steuer" * 20_000) == ()
    assert known.parts("x" * 200_000) == ()
    assert Compounds({}).parts("steuerrecht") == ()


@installed
def test_the_words_of_a_list() -> None:
    """Of words of our own: how many parts are found, and right; how many words that are whole are taken apart."""
    stem = Stemmer.Stemmer("german").stemWord
    right = found = wanted = 0
    for line in TOGETHER.replace("\n", " ").split(";"):
        word, parts = line.split(":")
        mine = {stem(part) for part in german_compounds().parts(word.strip().casefold())}
        other = {stem(part.casefold()) for part in parts.split()}
        right += len(mine & other)
        found += len(mine)
        wanted += len(other)
    assert right / found > 0.94 and right / wanted > 0.9
    apart = [word for word in WHOLE.split() if german_compounds().parts(word.casefold())]
    assert len(apart) <= 5 < 0.05 * len(WHOLE.split())


@installed
@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Donaudampfschiff", "donaudampfschiff donau dampf schiff"),
        ("Steuerberatungsgesetzes", "steuerberatungsgesetz steu berat gesetz"),
        ("STRASSENVERKEHR Straßenverkehr", "strassenverkehr strass verkehr strassenverkehr strass verkehr"),
        ("Kündigungsfristen", "kundigungsfrist kundig frist"),
        ("Schulbücher", "schulbuch schul buch"),
        ("Donau\u00addampf\u00adschiff", "donaudampfschiff donau dampf schiff"),
        (
            "Freundschaft Möglichkeiten Unternehmen 1,000 東京",
            "freundschaft moglich unternehm 1,000 東 東京 京",
        ),
    ],
)
def test_the_whole_stands_before_its_parts(text: str, terms: str) -> None:
    assert Analyzer("german", compounds=True).terms(text) == terms.split()


@installed
@given(
    st.lists(
        st.sampled_from([*WHOLE.split(), *regex.findall(r"\w+", TOGETHER), "東", " ", "Ä_b2", "-"]),
        max_size=6,
    ).map(" ".join),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_no_term_is_lost_and_each_is_clean(text: str, both: bool) -> None:
    plain = Analyzer("german", identifiers=both, fold_accents=both)
    apart = Analyzer("german", identifiers=both, fold_accents=both, compounds=True)
    found = apart.terms(text)
    rest = iter(found)
    assert all(term in rest for term in plain.terms(text))  # in their order
    assert all(term and not regex.search(r"[\s\x00]", term) for term in found)
    assert set(apart.asked(text)) <= set(found)
    assert list(numbered_rows([[text]], apart).strings()) == [found]
    assert [term for word in word_terms(text, apart) for term in word.terms] == found


@installed
def test_a_part_finds_the_compound_and_marks_it(tmp_path: Path) -> None:
    rows = [
        Document("law", "Das Steuerberatungsgesetz gilt."),
        Document("tax", "Die Steuer steigt."),
        Document("none", "Ein anderes Gesetz über die Fischerei."),
    ]
    with Index.create(tmp_path / "apart", "bm25", SAID, cache=False) as index:
        index.add(rows)
        found = {hit.doc_id: hit for hit in index.search("Steuer")}
        assert set(found) == {"law", "tax"}
        ((start, end),) = found["law"].highlights
        assert rows[0].text[start:end] == "Steuerberatungsgesetz"
        assert index.search("Steuerberatungsgesetz")[0].doc_id == "law"
        assert {hit.doc_id for hit in index.search("Steuergesetz")} == {"law", "tax", "none"}
    with Index.create(tmp_path / "whole", "bm25", SAID[:1], cache=False) as index:
        index.add(rows)
        assert [hit.doc_id for hit in index.search("Steuer")] == ["tax"]


@installed
def test_an_index_knows_the_words_that_its_compounds_are_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.create(tmp_path / "i", "bm25", SAID, cache=False) as index:
        index.add([Document("law", "Das Steuerberatungsgesetz")])
        kept = index.info()["stemmer"]
    assert regex.fullmatch(r"\d\.\d, wordfreq \d\.\d", kept["release"])
    assert kept["stems"] not in (stemmer_fingerprint("german"), None)
    assert Analyzer("german").stemmer == stemmer_fingerprint("german")
    monkeypatch.setattr(compounds, "_frequencies", lambda: {"steuer": 1e-5})
    compounds.words_fingerprint.cache_clear()
    try:
        with (
            Index.open(tmp_path / "i") as index,
            pytest.raises(
                StemmerMismatch, match=r"pip install 'PyStemmer==\d\.\d\.\*' 'wordfreq==\d\.\d\.\*', or build"
            ),
        ):
            index.search("Steuer")
    finally:
        compounds.words_fingerprint.cache_clear()


def test_without_the_package_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for cached in (compounds.words_fingerprint, compounds.german_compounds):
        cached.cache_clear()
    with pytest.raises(MissingExtra, match=r"bm25\.compounds = true needs .* pip install .*\[compounds\]"):
        Index.create(tmp_path / "i", "bm25", SAID, cache=False)
    assert not (tmp_path / "i").exists()
