import sqlalchemy as sa
from sqlalchemy import orm

from check import DATABASE, HOST, PASSWORD, PORT, USER, check, hidden, run


class Base(orm.DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "sa_team"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(40), unique=True, comment="how it is called")
    members: orm.Mapped[list["Member"]] = orm.relationship(back_populates="team", cascade="all, delete-orphan")


class Member(Base):
    __tablename__ = "sa_member"
    __table_args__ = (sa.Index("sa_member_by_mood", "mood"), sa.CheckConstraint("age > 0", name="sa_grown"))
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    age: orm.Mapped[int]
    mood: orm.Mapped[str] = orm.mapped_column(sa.Enum("sad", "glad", name="sa_mood"))
    team_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("sa_team.id"))
    team: orm.Mapped[Team] = orm.relationship(back_populates="members")


def fresh():
    url = sa.URL.create("postgresql+psycopg", USER, PASSWORD, HOST, PORT, DATABASE, query={"sslmode": "require"})
    return sa.create_engine(url)


@check
def makes_tables(engine):
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    Base.metadata.create_all(engine)


@check
def works(engine):
    with orm.Session(engine) as session:
        session.add(Team(name="one", members=[Member(age=n, mood="glad") for n in range(1, 30)]))
        session.commit()
        team = session.scalars(sa.select(Team).options(orm.selectinload(Team.members))).one()
        assert len(team.members) == 29
        session.execute(sa.update(Member).where(Member.age < 10).values(mood="sad"))
        session.flush()
        assert session.scalar(sa.select(sa.func.count()).where(Member.mood == "sad")) == 9
        session.rollback()
        session.delete(team)
        session.commit()
        assert session.scalar(sa.select(sa.func.count(Member.id))) == 0


@check
def reflects(engine):
    inspector = sa.inspect(engine)
    assert {"sa_team", "sa_member", "people"} <= set(inspector.get_table_names())
    assert "contacts" in inspector.get_view_names()
    assert inspector.get_view_definition("contacts")
    assert {c["name"] for c in inspector.get_columns("sa_member")} == {"id", "age", "mood", "team_id"}
    assert inspector.get_pk_constraint("sa_member")["constrained_columns"] == ["id"]
    assert inspector.get_foreign_keys("sa_member")[0]["referred_table"] == "sa_team"
    assert inspector.get_indexes("sa_member")[0]["name"] == "sa_member_by_mood"
    assert inspector.get_check_constraints("sa_member")[0]["name"] == "sa_grown"
    assert inspector.get_unique_constraints("sa_team")
    assert inspector.get_table_comment("sa_team") is not None
    assert [e["name"] for e in inspector.get_enums()] == ["sa_mood"] or inspector.get_enums()
    assert inspector.get_schema_names() and inspector.get_sequence_names() is not None
    reflected = sa.MetaData()
    reflected.reflect(engine, views=True)
    assert "sa_member" in reflected.tables and "contacts" in reflected.tables
    inspector.get_multi_columns()
    assert inspector.has_table("people") and not inspector.has_table("nothing")


@check
def streams(engine):
    with engine.connect().execution_options(stream_results=True, yield_per=10) as connection:
        assert sum(1 for _ in connection.execute(sa.text("select n from generate_series(1, 95) n"))) == 95


@check
def is_masked(engine):
    people = sa.Table("people", sa.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        hidden(connection.execute(sa.select(people)).fetchall())
        hidden(connection.execute(sa.select(people.c.email.label("harmless"))).fetchall())


run(f"SQLAlchemy {sa.__version__}", fresh)
